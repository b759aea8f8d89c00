"""What time it is for tasks, and how often is looked at what tells nobody that it changed."""

from __future__ import annotations

from datetime import datetime

from devbench_core.clock import SystemClock

LOOK_EVERY_S = 1.0


def now() -> datetime:
    """Return the time, UTC."""
    return SystemClock().now()
