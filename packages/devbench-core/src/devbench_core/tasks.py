"""Owned background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def background() -> AsyncGenerator[asyncio.TaskGroup, None]:
    """Own background tasks for the length of a block, and let the block's own error out as it is.

    A plain `asyncio.TaskGroup` wraps whatever its body raises in an exception group, which no caller of
    ``devbench_core.open`` expects. A task that fails still ends the block, and comes out as a group.
    """
    failure: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        try:
            yield tasks
        except Exception as error:  # noqa: BLE001 - raised again below, unwrapped
            failure = error
    if failure is not None:
        raise failure
