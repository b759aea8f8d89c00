"""A way to a server that loses answers or requests, or leads nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

PIECE = 65_536
LAST_CHUNK = b"0\r\n\r\n"


class Proxy:
    """Forwards what comes to a Unix socket, or a port of this machine, to another one.

    Attributes:
        target: Where connections that begin now go.
        loses_answers_to: A word; connections are cut when the server answers a request in which it is, this often.
        from_word: What the part of the answer has in it that is lost, with all that follows.
        losses: How many answers are still to be lost.
        keeps_back: A word; connections are cut when it is in a request, which the server never gets; empty for none.
        endings_lost: How many requests are still to be cut before the end of what they send in chunks.
    """

    def __init__(self, target: Path | int) -> None:
        self.target = target
        self.loses_answers_to = b""
        self.from_word = b""
        self.losses = 0
        self.keeps_back = b""
        self.endings_lost = 0

    @asynccontextmanager
    async def at(self, path: Path) -> AsyncGenerator[str]:
        """Listen for the block; gives the URL."""
        async with await asyncio.start_unix_server(self._serve, path):
            yield f"unix://{path}"

    @asynccontextmanager
    async def on_port(self, port: int) -> AsyncGenerator[None]:
        """Listen for the block."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", port):
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await self._dial()
        marked = asyncio.Event()

        async def requests() -> None:
            while piece := await reader.read(PIECE):
                if self._holds(piece):
                    return
                if self.losses and self.loses_answers_to in piece:
                    marked.set()
                down.write(piece)

        async def answers() -> None:
            while piece := await up.read(PIECE):
                if marked.is_set() and self.losses and self.from_word in piece:
                    self.losses -= 1
                    return
                writer.write(piece)

        pumps = [asyncio.create_task(requests()), asyncio.create_task(answers())]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        for end in (writer, down):
            with suppress(OSError):
                end.close()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(self.target)
        return await asyncio.open_connection("127.0.0.1", self.target)

    def _holds(self, piece: bytes) -> bool:
        """Tell whether the server never gets this."""
        if self.endings_lost and piece.endswith(LAST_CHUNK):
            self.endings_lost -= 1
            return True
        return bool(self.keeps_back) and self.keeps_back in piece
