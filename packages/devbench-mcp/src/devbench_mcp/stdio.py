"""Serves one client over stdin and stdout until its end of file, or until asked to stop."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from mcp.server import Server
from mcp.server.stdio import stdio_server

from devbench_core.logs import get_logger
from devbench_mcp.callers import principal_of
from devbench_mcp.live import Live
from devbench_mcp.server import ToolServer
from devbench_mcp.settings import McpSettings

if TYPE_CHECKING:
    from anyio import AsyncFile

    from devbench_core.bench import Bench

log = get_logger(__name__)
LINE_MAX_BYTES = 64 * 1024 * 1024
"""The longest message of a client; one that is longer ends the connection."""


async def serve_stdio(bench: Bench, settings: McpSettings, *, stopping: asyncio.Event) -> None:
    """Serve until the client closes our stdin or ``stopping`` is set.

    Args:
        bench: The opened core; stays the caller's to close.
        settings: The table ``[mcp]``; ``local`` says who the client is.
        stopping: Set it to stop.
    """
    tools = ToolServer(bench, principal_of(settings.local).caller, settings)
    async with _stdin() as lines, asyncio.TaskGroup() as group:
        serving = group.create_task(_serve(tools.build(), lines))
        waiting = group.create_task(stopping.wait())
        listing = group.create_task(tools.prepare())  # beside the client's greeting
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        tools.close_streams()
        serving.cancel()
        waiting.cancel()
        listing.cancel()


async def _serve(server: Server[Live], lines: _Lines | None) -> None:
    async with stdio_server(stdin=cast("AsyncFile[str] | None", lines)) as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


class _Lines:
    """The lines of a pipe, read by the loop: a thread that waits for a line could not be stopped."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            try:
                line = await self._reader.readline()
            except ValueError:
                log.error("stdio.line_too_long", limit_bytes=LINE_MAX_BYTES)  # noqa: TRY400 - the limit says all
                return
            if not line:
                return
            yield line.decode("utf-8", errors="replace")


@asynccontextmanager
async def _stdin() -> AsyncGenerator[_Lines | None]:
    """Yield stdin's lines when it is a pipe or socket, None for what the SDK's own reader must do.

    Meanwhile descriptor 0 is the null device, so that no child process eats the client's messages.
    """
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        yield None
        return
    private = os.dup(sys.stdin.fileno())
    null = os.open(os.devnull, os.O_RDONLY)  # blocks: a device that is always there
    os.dup2(null, sys.stdin.fileno())
    os.close(null)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_MAX_BYTES)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(private, "rb", buffering=0)
    )
    try:
        yield _Lines(reader)
    finally:
        transport.close()
