"""A connected socket: one task reads, one writes, and no byte is copied on the way in.

asyncio's own StreamReader joins what comes into a buffer and cuts it out again, which costs a large output a twentieth
of its time.
"""

from __future__ import annotations

import asyncio
from typing import cast

HELD_BYTES = 256 * 1024
"""So much that nobody has read yet, and nothing more is taken from the socket."""


class Duplex(asyncio.Protocol):
    """The protocol of a transport, with `read` and `write` for tasks."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._is_paused = False
        self._is_over = False
        self._failure: Exception | None = None
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hold what came for the reader."""
        self._pieces.append(data)
        self._held_bytes += len(data)
        self._news = _wake(self._news)
        if self._held_bytes > HELD_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The other side sends nothing more; it may still read."""
        self._is_over = True
        self._news = _wake(self._news)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes or goes any more."""
        self._is_over = True
        self._failure = exc
        self._news, self._room = _wake(self._news), _wake(self._room)

    def pause_writing(self) -> None:
        """The other side is slow."""
        self._is_full = True

    def resume_writing(self) -> None:
        """There is room again."""
        self._is_full = False
        self._room = _wake(self._room)

    async def read(self) -> bytes:
        """Return all that came, at least one byte; ``b""`` at the end.

        Raises:
            OSError: The connection broke.
        """
        while not self._pieces:
            if self._failure is not None:
                raise self._failure
            if self._is_over:
                return b""
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._held_bytes = 0
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send, waiting while the other side is slow.

        Raises:
            OSError: The connection broke.
        """
        if not self._transport.is_closing():
            self._transport.write(data)
        while self._is_full and not self._transport.is_closing():
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        if self._transport.is_closing():
            raise self._failure or ConnectionResetError("it is closed")

    def abort(self) -> None:
        """Close at once; what was not sent is dropped."""
        self._transport.abort()


def _wake(waiting: asyncio.Future[None] | None) -> None:
    """Wake the task that waits, if one does."""
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
