"""Background work: heartbeats, what each host looks after, and what one of them does for all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from devbench_core.errors import DevbenchError
from devbench_core.hookspecs import Lifespan, hookimpl
from devbench_core.logs import get_logger
from devbench_core.pools.records import KIND as WARM_KIND
from devbench_core.tasks import background

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)
LOOKS_PER_HEARTBEAT = 4
"""A host that died is noticed so much earlier than by looking as often as it beat."""


class LifespansPlugin:
    """Offers the built-in lifespans."""

    @hookimpl
    def devbench_lifespans(self) -> Sequence[Lifespan]:
        """Offer those of this module."""
        return [leader, tender, heartbeat, successor, server, pools]


plugin = LifespansPlugin()


@asynccontextmanager
async def leader(bench: Bench) -> AsyncGenerator[None, None]:
    """Do what one host does for all, when it is this one: enforce lifetimes, notice exits, remove what is old."""

    async def lead() -> None:
        await asyncio.sleep(
            bench.settings.lifetimes.check_interval_s
        )  # a short command line ends before that
        from devbench_core.leading.leader import Leader

        await Leader(bench).run()

    async with background() as tasks:
        task = tasks.create_task(lead(), name="leader")
        try:
            yield
        finally:
            task.cancel()


@asynccontextmanager
async def tender(bench: Bench) -> AsyncGenerator[None, None]:
    """Do what each host does for itself: write down uses, look after shells, adopt what dead hosts left."""

    async def tend() -> None:
        await bench.containers.tend()
        await bench.services.tend_execs()
        await bench.services.tend_links()

    async with _repeating(bench.settings.lifetimes.check_interval_s, tend, "tender"):
        yield


@asynccontextmanager
async def heartbeat(bench: Bench) -> AsyncGenerator[None, None]:
    """Say in the store that this host lives."""
    async with _repeating(bench.settings.startup.heartbeat_s, bench.containers.beat, "heartbeat"):
        yield


@asynccontextmanager
async def successor(bench: Bench) -> AsyncGenerator[None, None]:
    """Take over what hosts were responsible for that died."""
    if not bench.services.serving:
        yield
        return
    interval_s = bench.settings.startup.heartbeat_s / LOOKS_PER_HEARTBEAT
    async with _repeating(interval_s, bench.containers.succeed, "successor"):
        yield


@asynccontextmanager
async def server(bench: Bench) -> AsyncGenerator[None, None]:
    """Serve calls that other hosts were given for what this one follows."""
    async with _repeating(bench.settings.forwarding.poll_s, bench.services.serve_others, "server"):
        yield


@asynccontextmanager
async def pools(bench: Bench) -> AsyncGenerator[None, None]:
    """Keep the warm pools on a host that serves; where none is configured, when others left some."""
    if not bench.services.serving:
        yield
        return

    async with background() as tasks, AsyncExitStack() as kept:
        if bench.settings.pools.warm:
            await kept.enter_async_context(bench.pools.keeping(tasks))
            yield
            return

        async def look() -> None:
            left = await bench.store.list(WARM_KIND, limit=1)
            if left.records and not bench.pools.is_kept:
                await kept.enter_async_context(bench.pools.keeping(tasks))

        async with _repeating(bench.settings.pools.check_interval_s, look, "pools"):
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
