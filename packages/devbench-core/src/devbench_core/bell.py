"""Waiting for something that happens again and again, with a bound and without polling."""

from __future__ import annotations

import asyncio


class Bell:
    """Whoever waits is woken by the next ring. Cheaper than a condition, and many may wait at once."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            _wake(waiter)

    async def wait(self, wait_s: float) -> None:
        """Wait for a ring, or until the time is over."""
        if wait_s <= 0:
            return
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        over = loop.call_later(wait_s, _wake, waiter)
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            over.cancel()
            self._waiting.discard(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
