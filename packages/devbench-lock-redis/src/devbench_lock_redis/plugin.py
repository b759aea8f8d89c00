"""Offers the lock ``redis``; the client is imported when it is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from devbench_core.clock import Clock
from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import Diagnosis, OpenContext, Provider
from devbench_core.hookspecs import hookimpl
from devbench_lock_redis.settings import RedisSettings

Opened = Callable[[RedisSettings, Clock], AbstractAsyncContextManager[Lock]]
Looked = Callable[[RedisSettings], Awaitable[Diagnosis]]


@asynccontextmanager
async def open_lock(settings: RedisSettings, context: OpenContext) -> AsyncGenerator[Lock, None]:
    """Connect, and see that the server answers."""
    opened = await asyncio.to_thread(_opened)  # importing is not for the loop
    async with opened(settings, context.clock) as lock:
        yield lock


async def diagnose(settings: RedisSettings, _context: OpenContext) -> Diagnosis:
    """Ask the server what it is."""
    look = await asyncio.to_thread(_look)
    return await look(settings)


def _opened() -> Opened:
    from devbench_lock_redis.opening import opened

    return opened


def _look() -> Looked:
    from devbench_lock_redis.diagnosis import look

    return look


class RedisPlugin:
    """The plugin object."""

    @hookimpl
    def devbench_locks(self) -> Sequence[Provider[Lock]]:
        """Offer ``redis``."""
        return [Provider(name="redis", settings=RedisSettings, open=open_lock, diagnose=diagnose)]


plugin = RedisPlugin()
