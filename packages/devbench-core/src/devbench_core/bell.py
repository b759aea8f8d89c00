"""Waiting for something that happens again and again, with a bound and without polling."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Bell:
    """Whoever waits is woken by the next ring. Cheaper than a condition, and many may wait at once."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, wait_s: float) -> None:
        """Wait for a ring, or until the time is over."""
        if wait_s <= 0:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await waiter
        finally:
            self._waiting.discard(waiter)
