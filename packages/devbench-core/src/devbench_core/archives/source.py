"""Exact reads from a stream of pieces."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from devbench_core.archives.entry import damaged

PIECE_BYTES = 262_144


class Source:
    """A stream of bytes that is read exactly.

    Args:
        pieces: Where they come from.
    """

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self._pieces = aiter(pieces)
        self._buffer = bytearray()
        self._ended = False

    async def exactly(self, count: int) -> bytes:
        """Return so many bytes.

        Raises:
            ArchiveRefused: The stream ends before.
        """
        data = await self.at_most(count)
        if len(data) < count:
            raise damaged("the archive ends in the middle")
        return data

    async def at_most(self, count: int) -> bytes:
        """Return so many bytes, fewer only at the stream's end."""
        while len(self._buffer) < count and await self._more():
            pass
        data = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return data

    async def run(self, count: int) -> AsyncIterator[bytes]:
        """Give so many bytes in pieces, as they come."""
        while count:
            if not self._buffer and not await self._more():
                raise damaged("the archive ends in the middle")
            size = min(count, len(self._buffer), PIECE_BYTES)
            piece = bytes(memoryview(self._buffer)[:size])
            del self._buffer[:size]
            count -= size
            yield piece

    async def skip(self, count: int) -> None:
        """Drop so many bytes."""
        async for _ in self.run(count):
            pass

    async def drain(self) -> None:
        """Read to the stream's end, so that what checks it there is reached."""
        self._buffer.clear()
        while await self._more():
            self._buffer.clear()

    async def _more(self) -> bool:
        while not self._ended:
            try:
                piece = await anext(self._pieces)
            except StopAsyncIteration:
                self._ended = True
                return False
            if piece:
                self._buffer += piece
                return True
        return False
