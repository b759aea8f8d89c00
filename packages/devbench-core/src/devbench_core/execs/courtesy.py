"""Streams let short commands go first: whoever writes much waits a moment while a command starts or ends."""

from __future__ import annotations

import asyncio

BULK_BYTES = 64 * 1024
"""Output of so many bytes or more that is written at once is a piece of a stream."""

PATIENCE_S = 0.005
"""How long one piece waits at most: a stream goes on with 256 KiB each 5 ms, or 50 MiB/s, however many go first."""


class Courtesy:
    """Counts the commands of this host that begin or end just now."""

    def __init__(self) -> None:
        self._hasty = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    def come(self) -> None:
        """A command was sent, or has ended; it is recorded soon."""
        self._hasty += 1
        self._quiet.clear()

    def gone(self) -> None:
        """It is recorded, or will not be."""
        self._hasty -= 1
        if not self._hasty:
            self._quiet.set()

    async def give_way(self) -> None:
        """Wait until none of them is left, at most `PATIENCE_S`."""
        if self._quiet.is_set():
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._quiet.wait()
        except TimeoutError:
            return
