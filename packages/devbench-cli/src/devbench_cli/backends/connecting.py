"""Connects to a remote host."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from devbench_cli.backends.links import HostLinks
from devbench_cli.backends.patience import Patience
from devbench_cli.backends.remote import RemoteBackend, quietly
from devbench_core.errors import ConfigurationInvalid
from devbench_core.tasks import background

if TYPE_CHECKING:
    from mcp import Client

CONNECT_TIMEOUT_S = 10.0
SDK_LOGGER = "mcp.client.streamable_http"
"""It shows where its code was when an answer was cut; what became of the call is told here."""


@asynccontextmanager
async def open_remote(
    url: str,
    token: str | None,
    *,
    patience: Patience | None = None,
    on_repeat: Callable[[], None] = quietly,
    mode: str = "auto",
) -> AsyncGenerator[RemoteBackend]:
    """Connect to a host for the length of a block.

    Args:
        url: Its address.
        token: What is shown there.
        patience: How long calls are tried again; the defaults when None.
        on_repeat: Is told of every repeat.
        mode: The era of the protocol, as the protocol's client takes it.

    Raises:
        ConfigurationInvalid: The client is not installed, or the address is none.
        HostUnreachable: Nothing answers there.
        Unauthorised: The token is missing or wrong.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigurationInvalid(f"{url!r} is no address of a host", hint="write http://HOST:PORT/mcp")
    try:
        import httpx2
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        from devbench_cli.backends.attempts import NotingClient
        from devbench_cli.backends.sessions import Sessions
        from devbench_cli.backends.silence import LONGEST_S, Silence
    except ImportError as error:
        raise ConfigurationInvalid(
            "the client for remote hosts is not installed", hint="uv add 'devbench-cli[remote]'"
        ) from error
    logging.getLogger(SDK_LOGGER).setLevel(logging.CRITICAL)
    shown = url.partition("?")[0]  # the rest may be a secret, and errors show this
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    timeout = httpx2.Timeout(LONGEST_S, connect=CONNECT_TIMEOUT_S)
    patience = patience or Patience()
    silence = Silence(patience.silent_s)
    async with NotingClient(silence, headers=headers, timeout=timeout) as http, background() as tasks:

        def connect() -> AbstractAsyncContextManager[Client]:
            return Client(streamable_http_client(url, http_client=http), cache=None, mode=mode)

        sessions = Sessions(shown, connect, tasks)
        backend = RemoteBackend(shown, sessions, HostLinks(url, token), patience, on_repeat)
        try:
            await backend.connect()
            yield backend
        finally:
            sessions.close()
