"""A way to an engine that can be slow, or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

PIECE = 65_536


class EngineProxy:
    """Forwards what comes to a Unix socket to another one.

    Attributes:
        delay_s: How late each piece is handed on, in seconds.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self.delay_s = 0.0

    @asynccontextmanager
    async def at(self, path: Path) -> AsyncGenerator[str]:
        """Listen for the block; gives the URL."""
        server = await asyncio.start_unix_server(self._serve, path)
        try:
            yield f"unix://{path}"
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Break all connections, and take no new ones."""
        self._is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        """End that."""
        self._is_cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            up, down = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, down}
        self._writers |= both
        try:
            await asyncio.gather(self._pump(reader, down), self._pump(up, writer))
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(piece)
                await writer.drain()
        with suppress(OSError):
            if writer.can_write_eof():
                writer.write_eof()
