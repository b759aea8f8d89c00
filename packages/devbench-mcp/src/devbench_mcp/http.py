"""Serves the HTTP host with uvicorn until it is asked to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from devbench_core.errors import ConfigurationInvalid
from devbench_core.logs import get_logger
from devbench_mcp.app import PATH, HttpHost
from devbench_mcp.settings import McpSettings

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)
BACKLOG = 2048
KEEP_ALIVE_S = 75
CONNECTIONS_MAX = 10_000
HEAD_MAX_BYTES = 65_536
"""Of a request's line and headers: the address of a link has a path, and patterns."""


def bind(settings: McpSettings) -> socket.socket:
    """Take the address before anything is opened; connections are refused until it listens.

    Raises:
        ConfigurationInvalid: The address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
    except OSError as error:
        raise ConfigurationInvalid(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}",
            hint="is another devbench-mcp running? choose another --port, or 0 for a free one",
        ) from error
    return taken


def url_of(settings: McpSettings, taken: socket.socket) -> str:
    """Return the address that clients are given."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{taken.getsockname()[1]}{PATH}"


async def serve_http(
    bench: Bench,
    settings: McpSettings,
    *,
    stopping: asyncio.Event,
    taken: socket.socket | None = None,
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve until ``stopping`` is set; then end streams, let calls finish for a while, and return.

    Args:
        bench: The opened core; stays the caller's to close.
        settings: The table ``[mcp]``.
        stopping: Set it to stop.
        taken: A socket from `bind`; one is made when absent.
        started: Told the URL once connections are accepted.

    Raises:
        ConfigurationInvalid: The address cannot be had, or a token is missing or wrong.
    """
    listening = taken or bind(settings)
    host = await HttpHost.prepare(bench, settings, port=listening.getsockname()[1])
    server = _Server(
        uvicorn.Config(
            host.app,
            log_config=None,
            access_log=False,
            lifespan="on",
            http="h11",  # httptools, which uvicorn prefers where it is installed, takes a head without any bound
            ws="none",
            backlog=BACKLOG,
            server_header=False,
            limit_concurrency=CONNECTIONS_MAX,
            h11_max_incomplete_event_size=HEAD_MAX_BYTES,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(settings.grace_s / 2)),
        ),
        on_started=lambda: started(url_of(settings, listening)) if started else None,
    )

    async def stop() -> None:
        await stopping.wait()
        log.info("mcp.stopping")
        host.stop()
        server.should_exit = True

    async with asyncio.TaskGroup() as group:
        stopper = group.create_task(stop())
        await server.serve(sockets=[listening])
        stopper.cancel()


class _Server(uvicorn.Server):
    """Leaves signals to the program's main, and says when it accepts connections."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_started()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
