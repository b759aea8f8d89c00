"""Time comes in through a parameter, so that a test can hold it still."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Wall time for records and monotonic time for waits."""

    def now(self) -> datetime:
        """Return the current time, timezone-aware and in UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds that never go back, for measuring waits."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Return `time.monotonic`."""
        return time.monotonic()
