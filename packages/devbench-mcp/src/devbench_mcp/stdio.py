"""Serves one client over stdin and stdout until its end of file, or until asked to stop."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from mcp.server import Server
from mcp.server.stdio import stdio_server

from devbench_core.logs import get_logger
from devbench_mcp.callers import principal_of
from devbench_mcp.live import Live
from devbench_mcp.server import ToolServer
from devbench_mcp.settings import McpSettings
from devbench_mcp.stopping import unless_stopped

if TYPE_CHECKING:
    from anyio import AsyncFile

    from devbench_core.bench import Bench

log = get_logger(__name__)
LINE_MAX_BYTES = 64 * 1024 * 1024
"""The longest message of a client; one that is longer ends the connection."""
GREETING_S = 1.0
"""How long at most the core is not opened for the sake of a greeting."""


async def serve_stdio(
    opening: AbstractAsyncContextManager[Bench],
    settings: McpSettings,
    *,
    stopping: asyncio.Event,
    opened: Callable[[], None],
) -> None:
    """Serve until the client closes our stdin or ``stopping`` is set.

    A client's ``initialize`` is answered before the core is opened: that asks engines and stores, which may be slow.
    Whatever comes after it waits until that is done.

    Args:
        opening: The core.
        settings: The table ``[mcp]``; ``local`` says who the client is.
        stopping: Set it to stop.
        opened: Called once the core is open.

    Raises:
        DevbenchError: The core cannot be opened; a client that was greeted sees the end of file.
    """
    tools = ToolServer(None, principal_of(settings.local).caller, settings)
    async with _stdin() as lines:
        waiting = asyncio.create_task(stopping.wait())
        serving = None if lines is None else asyncio.create_task(_serve(tools.build(), lines))
        try:
            if lines is not None and serving is not None:
                await _greeted(lines, serving, waiting)
            if not waiting.done() and (serving is None or not serving.done()):
                await asyncio.to_thread(import_module, "devbench_mcp.methods")
                async with unless_stopped(opening, stopping) as bench:
                    if bench is not None:
                        opened()
                        tools.use(bench)
                        if lines is not None and not waiting.done():  # what is to stop begins nothing
                            lines.let_on()
                        serving = serving or asyncio.create_task(_serve(tools.build(), None))
                        await _until_over(tools, serving, waiting)
        finally:
            await _end(waiting, *([] if serving is None else [serving]))
    if serving is not None and not serving.cancelled():
        serving.result()


async def _until_over(tools: ToolServer, serving: asyncio.Task[None], waiting: asyncio.Task[Any]) -> None:
    """Serve from an open core; nothing uses it any more when this returns."""
    listing = asyncio.create_task(tools.prepare())  # if it fails, whoever asks for the list is told
    try:
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        tools.close_streams()
        await _end(serving, waiting, listing)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)  # whoever started them asks for what matters


async def _greeted(lines: _Lines, *others: asyncio.Task[Any]) -> None:
    """Wait until the client wants more than a greeting, or something else is over, but not for long."""
    wanted = asyncio.create_task(lines.wanted.wait())
    try:
        await asyncio.wait({wanted, *others}, timeout=GREETING_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        wanted.cancel()


async def _serve(server: Server[Live], lines: _Lines | None) -> None:
    async with stdio_server(stdin=cast("AsyncFile[str] | None", lines)) as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


class _Lines:
    """The lines of a pipe, read by the loop: a thread that waits for a line could not be stopped.

    At first only greetings are given out.

    Attributes:
        wanted: Whether something else has come, which waits until it is let on; an end of file, too.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.wanted = asyncio.Event()
        self._reader = reader
        self._is_free = asyncio.Event()

    def let_on(self) -> None:
        """Give out everything from now on."""
        self._is_free.set()

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            try:
                line = await self._reader.readline()
            except ValueError:
                log.error("stdio.line_too_long", limit_bytes=LINE_MAX_BYTES)  # noqa: TRY400 - the limit says all
                return
            if not self._is_free.is_set() and not _is_greeting(line):
                self.wanted.set()
                await self._is_free.wait()
            if not line:
                return
            yield line.decode("utf-8", errors="replace")


def _is_greeting(line: bytes) -> bool:
    try:
        message: Any = json.loads(line)
        return message["method"] == "initialize"
    except (ValueError, TypeError, KeyError, RecursionError):
        return False  # the SDK says what is wrong with it


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
