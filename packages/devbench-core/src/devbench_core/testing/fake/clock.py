"""Time that a test moves."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

from devbench_core.clock import SystemClock


class FakeClock(SystemClock):
    """Real time, plus whatever a test adds."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self._sleepers: set[asyncio.Future[None]] = set()

    def now(self) -> datetime:
        """Return the moved time."""
        return datetime.now(UTC) + self.ahead

    def monotonic_s(self) -> float:
        """Return the moved seconds."""
        return time.monotonic() + self.ahead.total_seconds()

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(seconds=seconds)
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    async def sleep(self, seconds: float) -> None:
        """Wait until so much time has passed on this clock."""
        due_s = self.monotonic_s() + seconds
        while (left_s := due_s - self.monotonic_s()) > 0:
            moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._sleepers.add(moved)
            try:
                await asyncio.wait([moved], timeout=left_s)
            finally:
                self._sleepers.discard(moved)
