"""A remote host, driven through MCP over streamable HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from devbench_cli.backends.links import HostLinks
from devbench_cli.backends.protocol import Backend
from devbench_cli.backends.remote_failures import Watch, failure_of, translate
from devbench_core.errors import ConfigurationInvalid, ValidationFailed
from devbench_core.model.image import Image
from devbench_core.tool import ProgressSink

if TYPE_CHECKING:
    from mcp import Client

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 300.0
REQUEST_MAX_BYTES = 2560 * 1024
"""Hosts limit a request to 4 MiB, and base64 makes content a third larger."""
LOCAL_ONLY = "run it on the host, without --url"


class RemoteBackend:
    """Calls tools of a host.

    Attributes:
        links: Carries what is too large for a tool's arguments or result.
    """

    def __init__(self, client: Client, watch: Watch, links: HostLinks) -> None:
        self._client = client
        self._watch = watch
        self.links = links

    @property
    def default_ttl_s(self) -> float | None:
        """The host decides."""
        return None

    @property
    def stdin_max_bytes(self) -> int:
        """What fits into a request."""
        return REQUEST_MAX_BYTES

    @property
    def upload_max_bytes(self) -> int:
        """What fits into a request."""
        return REQUEST_MAX_BYTES

    async def call(
        self, tool: str, arguments: Mapping[str, object], *, progress: ProgressSink | None = None
    ) -> Mapping[str, Any]:
        """Call a tool of the host."""
        sink = progress

        async def follow(progress: float, total: float | None, message: str | None) -> None:
            if sink is not None:
                await sink(progress, total, message or "")

        with translate(self._watch):
            result = await self._client.call_tool(
                tool, dict(arguments), progress_callback=follow if progress is not None else None
            )
        structured = cast("Mapping[str, Any]", result.structured_content or {})
        if result.is_error:
            texts = [getattr(part, "text", "") for part in result.content]
            raise failure_of(structured, "\n".join(text for text in texts if text))
        return structured

    async def pull(self, name: str, *, progress: ProgressSink | None = None) -> Image:
        """Refuse: hosts pull when they spawn."""
        _ = progress
        raise ValidationFailed("--url", f"a host pulls {name!r} by itself when it spawns it", hint=LOCAL_ONLY)

    async def import_image(self, name: str, source: Path) -> Image:
        """Refuse: the tar or folder is here, the images are there."""
        _ = source
        raise ValidationFailed("--url", f"{name!r} cannot be imported remotely", hint=LOCAL_ONLY)


@asynccontextmanager
async def open_remote(url: str, token: str | None) -> AsyncGenerator[RemoteBackend]:
    """Connect to a host for the length of a block.

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
    except ImportError as error:
        raise ConfigurationInvalid(
            "the client for remote hosts is not installed", hint="uv add 'devbench-cli[remote]'"
        ) from error
    watch = Watch(url)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    timeout = httpx2.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    with translate(watch):
        async with (
            httpx2.AsyncClient(
                headers=headers, timeout=timeout, event_hooks={"response": [watch.saw]}
            ) as http,
            Client(streamable_http_client(url, http_client=http), cache=None) as client,
        ):
            yield RemoteBackend(client, watch, HostLinks(url, token))


if TYPE_CHECKING:
    _: type[Backend] = RemoteBackend
