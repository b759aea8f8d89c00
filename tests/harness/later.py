"""A clock that is ahead, as after a suspend or when somebody set it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from devbench_core.clock import SystemClock


class Later(SystemClock):
    """A clock that is ahead by so much."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        """Tell it."""
        return datetime.now(UTC) + self._ahead
