"""Closing a store: once begun it is done, also for whoever is cancelled meanwhile."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from devbench_core.finishing import TO_ITS_END_S, finished


@asynccontextmanager
async def closed_whole() -> AsyncGenerator[AsyncExitStack]:
    """Give a stack of what is closed after the block, in a task of its own and within the bounds of each.

    Writes that were taken are written, and threads end: one that is left keeps the process alive.
    """
    stack = AsyncExitStack()
    try:
        yield stack
    finally:
        await finished(stack.aclose(), TO_ITS_END_S)
