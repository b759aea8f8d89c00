"""Letting something come to its end although its caller is cancelled.

Of what speaks with a server it is known then what it did, and what closes something leaves nothing open. It also runs
in a task of its own, because clients lose cancellations: redis-py one that comes while it writes (on Python 3.11,
whose `asyncio.wait_for` does).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
GRACE_S = 1.0
"""How long a cancelled caller lets a command come to its end."""
TO_ITS_END_S = math.inf
"""For what has bounds of its own, and must not be left half done."""
AGAIN_S = 0.02
"""After how long a task is cancelled again that has lost its cancellation."""


async def finished(work: Coroutine[Any, Any, T], grace_s: float = GRACE_S) -> T:
    """Return what the work gives. A cancellation is raised when the work is done, or its grace over.

    Raises:
        CancelledError: The caller was cancelled; the work was done, or was cancelled too.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await ended(task, grace_s)
        raise
    return task.result()


async def ended(task: asyncio.Task[Any], grace_s: float = 0) -> None:
    """Wait for a task, cancelling it when its grace is over, until it has ended.

    Raises:
        CancelledError: The caller was cancelled meanwhile; the task has ended all the same.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + grace_s
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        left_s = until - loop.time()
        if left_s <= 0:
            task.cancel()
            left_s = AGAIN_S
        try:
            await asyncio.wait({task}, timeout=None if left_s == TO_ITS_END_S else left_s)
        except asyncio.CancelledError as error:
            cancelled = error
    if not task.cancelled():
        task.exception()  # seen
    if cancelled is not None:
        raise cancelled
