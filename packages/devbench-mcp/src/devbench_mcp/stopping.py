"""Turns TERM and INT into one event, with a hard end behind it, and lets a start be given up."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from types import FrameType
from typing import TypeVar

SIGNALS = (signal.SIGTERM, signal.SIGINT)
EXIT_FORCED = 70
T = TypeVar("T")


@contextmanager
def on_signals(grace_s: float) -> Generator[asyncio.Event]:
    """Yield an event that TERM and INT set; the process ends at the latest ``grace_s`` after the first signal.

    Whatever was cut off is found and cleaned by the next start. The hard end is a thread that waits from the
    beginning, so that it comes even when the loop is stuck; a handler may neither start one nor take a lock
    that the interrupted code might hold.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    asked, done = threading.Event(), threading.Event()

    def enforce() -> None:
        asked.wait()
        if not done.wait(grace_s):
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, b"devbench-mcp: the grace is over\n")
            os._exit(EXIT_FORCED)

    def stop(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=enforce, name="grace", daemon=True).start()
    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield stopping
    finally:
        done.set()
        asked.set()
        for number, handler in before.items():
            signal.signal(number, handler)


@asynccontextmanager
async def unless_stopped(
    opening: AbstractAsyncContextManager[T], stopping: asyncio.Event
) -> AsyncGenerator[T | None]:
    """Be inside ``opening`` for the block; yield None where ``stopping`` was set before it was entered.

    Entering may take long, as where an engine is silent; it is cancelled then.
    """

    async def give_up(limit: asyncio.Timeout) -> None:
        await stopping.wait()
        limit.reschedule(asyncio.get_running_loop().time())

    async with AsyncExitStack() as stack:
        opened, limit = None, asyncio.timeout(None)
        try:
            async with limit:
                watching = asyncio.create_task(give_up(limit))
                try:
                    opened = await stack.enter_async_context(opening)
                finally:
                    watching.cancel()
        except TimeoutError:
            if not limit.expired():
                raise
        yield opened
