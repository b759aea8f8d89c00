"""What waits to be sent: small frames go first, streams share what is left, and everything is bounded."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from devbench_core.contracts.stream import ByteStream

CREDITED_MAX = 16 * 1024 * 1024  # bytes of streams that have credit; more than all commands' credits together
LAZY_S = 0.005  # how long a frame that nobody waits for may wait for company


class Outbox:
    """Frames on their way to the agent; one task drains it.

    Args:
        limit_bytes: Bound of each lane. A lane of small frames that is over it means that the agent does not
            read; a stream waits for room instead.
        overflow: Called when the agent does not read.
    """

    def __init__(self, limit_bytes: int, overflow: Callable[[], None]) -> None:
        self._limit = limit_bytes
        self._overflow = overflow
        self._small: list[bytes] = []
        self._small_bytes = 0
        self._bulk: deque[bytes] = deque()
        self._bulk_bytes = 0
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False
        self._patience: asyncio.TimerHandle | None = None

    def post(self, frame: bytes) -> None:
        """Queue a small frame ahead of all streams."""
        if self._queue(frame):
            self._work.set()

    def post_lazily(self, frame: bytes) -> None:
        """Queue a small frame that nobody waits for: it goes with the next one, or after a moment."""
        if self._queue(frame) and self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(LAZY_S, self._lose_patience)

    def _queue(self, frame: bytes) -> bool:
        if self._closed:
            return False
        if self._small_bytes > self._limit:
            self._overflow()
            return False
        self._small.append(frame)
        self._small_bytes += len(frame)
        return True

    def _lose_patience(self) -> None:
        self._patience = None
        self._work.set()

    def post_bulk(self, frame: bytes) -> None:
        """Queue a frame of a stream whose own credit bounds it."""
        if self._closed:
            return
        if self._bulk_bytes > CREDITED_MAX:
            self._overflow()
            return
        self._bulk.append(frame)
        self._bulk_bytes += len(frame)
        if self._bulk_bytes >= self._limit:
            self._room.clear()
        self._work.set()

    async def send_bulk(self, frame: bytes) -> None:
        """Queue a frame of a stream, waiting for room."""
        await self.room()
        self.post_bulk(frame)

    async def room(self) -> None:
        """Wait until a large frame may be queued."""
        while not self._room.is_set():
            await self._room.wait()

    async def drain(self, stream: ByteStream) -> None:
        """Send until cancelled. Each write holds all small frames and one frame of a stream."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._small or self._bulk:
                await stream.write(self._batch())

    def close(self) -> bytes:
        """Drop the streams and everything that comes; return the small frames that wait, for a last write."""
        self._closed = True
        rest = b"".join(self._small)
        if self._patience is not None:
            self._patience.cancel()
        self._small.clear()
        self._bulk.clear()
        self._room.set()
        return rest

    def _batch(self) -> bytes:
        parts, self._small, self._small_bytes = self._small, [], 0
        if self._patience is not None:  # what waited for company has it
            self._patience.cancel()
            self._patience = None
        if self._bulk:
            frame = self._bulk.popleft()
            self._bulk_bytes -= len(frame)
            parts.append(frame)
            if self._bulk_bytes < self._limit:
                self._room.set()
        return parts[0] if len(parts) == 1 else b"".join(parts)
