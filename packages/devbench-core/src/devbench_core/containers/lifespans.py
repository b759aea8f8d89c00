"""Background work: lifetimes, idleness, exits, heartbeats, and sweeping of old records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from devbench_core.errors import DevbenchError
from devbench_core.hookspecs import Lifespan, hookimpl
from devbench_core.logs import get_logger
from devbench_core.tasks import background

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)


class LifespansPlugin:
    """Offers the built-in lifespans."""

    @hookimpl
    def devbench_lifespans(self) -> Sequence[Lifespan]:
        """Offer the reaper, the purger and the heartbeat."""
        return [reaper, purger, heartbeat]


plugin = LifespansPlugin()


@asynccontextmanager
async def reaper(bench: Bench) -> AsyncGenerator[None, None]:
    """Enforce ``ttl_s`` and ``idle_timeout_s``, notice exits, remove old records."""
    async with _repeating(bench.settings.lifetimes.check_interval_s, bench.containers.sweep, "reaper"):
        yield


@asynccontextmanager
async def purger(bench: Bench) -> AsyncGenerator[None, None]:
    """Purge ended commands beyond ``execs.retain_s`` and ``execs.retain_per_container``."""

    async def sweep() -> None:
        await bench.execs.sweep()  # not made before it is needed

    async with _repeating(bench.settings.lifetimes.check_interval_s, sweep, "purger"):
        yield


@asynccontextmanager
async def heartbeat(bench: Bench) -> AsyncGenerator[None, None]:
    """Say in the store that this host lives."""
    async with _repeating(bench.settings.startup.heartbeat_s, bench.containers.beat, "heartbeat"):
        yield


@asynccontextmanager
async def _repeating(
    interval_s: float, work: Callable[[], Awaitable[None]], name: str
) -> AsyncGenerator[None, None]:
    """Repeat some work until the block is left; a failure is logged and the next round tries again."""

    async def loop() -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await work()
            except DevbenchError as error:
                log.warning("lifespan.failed", lifespan=name, error=str(error))
            except Exception:
                log.exception("lifespan.failed", lifespan=name)

    async with background() as tasks:
        task = tasks.create_task(loop(), name=name)
        try:
            yield
        finally:
            task.cancel()
