"""Tries again while another process is in the way.

SQLite waits by itself (``busy_timeout``), but answers "busy" at once where it sees that waiting could be in vain,
for example while another process recovers the log of one that was killed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import TypeVar

from devbench_store_sql.failures import is_busy

T = TypeVar("T")
PAUSE_S = 0.02


async def patiently(attempt: Callable[[], Awaitable[T]], timeout_s: float) -> T:
    """Return what an attempt gives, trying again on "busy" until the time is over.

    Raises:
        sqlite3.Error: The last attempt's; an attempt that failed has changed nothing.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        try:
            return await attempt()
        except sqlite3.Error as error:
            if not is_busy(error) or asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(PAUSE_S)
