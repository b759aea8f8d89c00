"""The input of a command: kept until the agent has it, so that it can be sent again on another channel."""

from __future__ import annotations

import asyncio

from devbench_core.channel.wire import DATA_MAX

CREDIT_AT_START = 65_536  # the agent takes this much before it says anything
BUFFER_MAX = 4 * DATA_MAX  # bytes that a writer may be ahead of the command


class StdinBuffer:
    """Bytes by offset. What lies a credit's length before the limit has been read and is dropped."""

    def __init__(self, data: bytes, *, complete: bool) -> None:
        self._data = bytearray(data)
        self._base = 0
        self._sent = 0
        self._eof_sent = False
        self._room = asyncio.Event()
        self.complete = complete
        self.limit = CREDIT_AT_START
        self.closed = False
        self.lost = False
        self._anywhere = False

    @classmethod
    def orphaned(cls, length: int | None) -> StdinBuffer:
        """Return the input of a command whose host died; None when its length was not known yet.

        When the agent has all of it only the end of file is left to say; `rewind` refuses otherwise.
        """
        buffer = cls(b"", complete=True)
        buffer.lost = True
        buffer._base = buffer._sent = -1 if length is None else length
        return buffer

    @classmethod
    def continued(cls) -> StdinBuffer:
        """Return the input of an adopted command that stays open: it goes on where the agent says.

        What its former host had taken and not sent is lost; only for input that is typed and looked after.
        """
        buffer = cls(b"", complete=False)
        buffer._anywhere = True
        return buffer

    @property
    def end(self) -> int:
        """The offset after the last byte."""
        return self._base + len(self._data)

    def next_piece(self) -> tuple[int, bytes] | None:
        """Return the next bytes that may be sent, with their offset."""
        stop = min(self._sent + DATA_MAX, self.limit, self.end)
        if self.closed or stop <= self._sent:
            return None
        start, self._sent = self._sent, stop
        return start, bytes(self._data[start - self._base : stop - self._base])

    def take_eof(self) -> int | None:
        """Return the whole length once, when the end of file is due."""
        if self.closed or self._eof_sent or not self.complete or self._sent < self.end:
            return None
        self._eof_sent = True
        return self.end

    def credit(self, limit: int, *, closed: bool) -> bool:
        """Take the agent's word; return False when it goes back."""
        if closed:
            self.close()
            return True
        if limit < self.limit:
            return False
        self.limit = limit
        drop = min(limit - CREDIT_AT_START, self._sent) - self._base
        if drop > 0:
            del self._data[:drop]
            self._base += drop
        self._room.set()
        return True

    def rewind(self, offset: int, limit: int, *, closed: bool) -> bool:
        """Go on from an offset on another channel; return False when it was dropped or never sent."""
        if closed or self.closed:  # this host closes it where it has given the command an ending itself
            self.close()
            return True
        if self._anywhere:
            self._anywhere = False
            self._base = self._sent = offset
        if not self._base <= offset <= self._sent:
            return False
        self._sent, self._eof_sent = offset, False
        self.limit = limit
        return True

    def close(self) -> None:
        """Nobody reads any more: drop everything."""
        self.closed = True
        self._base += len(self._data)
        self._data.clear()
        self._room.set()

    async def add(self, piece: bytes) -> bool:
        """Add a piece of at most 64 KiB, waiting while too much is ahead of the command; False when nobody reads."""
        while self.end - self._base > BUFFER_MAX and not self.closed:
            self._room.clear()
            await self._room.wait()
        if self.closed or self.complete:
            return False
        self._data += piece
        return True


def pieces(data: bytes) -> list[bytes]:
    """Cut bytes into pieces that fit a frame."""
    return [data[start : start + DATA_MAX] for start in range(0, len(data), DATA_MAX)]
