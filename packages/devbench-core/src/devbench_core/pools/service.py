"""The use case: containers that wait, for spawns that ask for exactly such ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs

from devbench_core import metrics
from devbench_core.containers.context import Context
from devbench_core.containers.repository import KIND as CONTAINER_KIND
from devbench_core.contracts.store import Remove
from devbench_core.errors import Conflict, DevbenchError
from devbench_core.logs import get_logger
from devbench_core.model.container import Container, Status
from devbench_core.model.image import Image
from devbench_core.pools import records, states
from devbench_core.pools.claims import Claims
from devbench_core.pools.filling import Filler
from devbench_core.pools.keeper import Keeper
from devbench_core.pools.making import Maker
from devbench_core.pools.records import State, Warm
from devbench_core.pools.states import PoolState
from devbench_core.pools.tally import Tally
from devbench_core.pools.targets import Resolve, Targets
from devbench_core.pools.work import Work

log = get_logger(__name__)
REMOVED_AT_ONCE = 8
Record = Callable[[Container, tuple[Remove, ...]], Awaitable[Container]]
"""Writes a container's record together with the removal of the warm one's: the claim."""


class Pools:
    """Gives warm containers to spawns, and on a host that serves keeps the pools filled."""

    def __init__(self, context: Context, *, maker: str, resolve: Resolve) -> None:
        self._context = context
        self._limits = context.settings.pools
        self._tallies = {name: Tally(name, pool) for name, pool in self._limits.warm.items()}
        self._claims = Claims(
            store=context.repository.store,
            links=context.links,
            instance=context.instance,
            runtime=context.runtime.name,
        )
        self._making = Maker(context, maker)
        self._targets = Targets(context, self._making, resolve)
        self._work = Work()
        filler = Filler(context, self._tallies, self._claims, self._making, self._targets, self._work)
        self._keeper = Keeper(context, self._tallies, self._claims, self._making, filler, self._work)

    async def take(self, wanted: Container, image: Image, record: Record) -> Container | None:
        """Give a spawn a container that waits; None when none does, and the spawn makes its own.

        Args:
            wanted: The record of the container that is to be.
            image: What it is made from.
            record: The spawn's own claim.

        Raises:
            DevbenchError: What ``record`` raises, but for a conflict about the container itself.
        """
        fingerprint = self._targets.fingerprint(wanted, image)
        refused: set[tuple[str, int]] = set()
        until_s = asyncio.get_running_loop().time() + self._limits.claim_timeout_s
        while (warm := await self._find(wanted, fingerprint, refused, until_s)) is not None:
            try:
                taken = await record(_claimed(wanted, warm, self._context), records.remove(warm))
            except Conflict as conflict:
                if conflict.details.get("kind") not in {records.KIND, CONTAINER_KIND}:
                    raise
                continue  # another host was faster, so this id stands for another's container
            finally:
                self._claims.let_go(warm)
            self._count(fingerprint, warm.pool, hit=True)
            return taken
        self._count(fingerprint, "", hit=False)
        return None

    async def _find(
        self, wanted: Container, fingerprint: str, refused: set[tuple[str, int]], until_s: float
    ) -> Warm | None:
        """Find one; trouble with the pool is no trouble of the spawn's."""
        try:
            return await self._claims.find(wanted, fingerprint, refused, until_s)
        except DevbenchError as error:
            log.warning("pool.claim_failed", error=str(error))
            return None

    def _count(self, fingerprint: str, pool: str, *, hit: bool) -> None:
        now_s = self._context.clock.monotonic_s()
        for tally in self._tallies.values():
            fits = tally.target is not None and tally.target.fingerprint == fingerprint
            if tally.name == pool or (not hit and fits):
                tally.asked(now_s, hit=hit)
                metrics.POOL_CLAIMS.labels(tally.name, "hit" if hit else "miss").inc()
                break
        self._work.wake.set()

    async def states(self) -> tuple[PoolState, ...]:
        """Return the state of each configured pool, as all living hosts together see it."""
        context = self._context
        return await states.together(
            context.repository.store, self._limits.warm, context.runtime.name, context.instances.alive
        )

    async def tend(self) -> None:
        """Look at everything once, as a host that serves does every ``pools.check_interval_s``."""
        await self._keeper.tend()

    async def settle(self) -> None:
        """Wait until nothing is being made or removed, and nothing more is to be."""
        await self._keeper.settle()

    @property
    def is_kept(self) -> bool:
        """Whether this host keeps the pools now."""
        return self._work.is_on

    @asynccontextmanager
    async def keeping(self, tasks: asyncio.TaskGroup) -> AsyncGenerator[None]:
        """Keep the pools for the length of the block, in tasks of this group."""
        self._work.start(tasks)
        loop = tasks.create_task(self._loop(), name="pools")
        try:
            yield
        finally:
            loop.cancel()
            self._work.stop()

    async def _loop(self) -> None:
        clock, due_s = self._context.clock, float("-inf")
        while True:
            try:
                if clock.monotonic_s() >= due_s:
                    due_s = clock.monotonic_s() + self._limits.check_interval_s
                    await self._keeper.tend()
                else:
                    await self._keeper.fill()
            except DevbenchError as error:
                log.warning("pool.round_failed", error=str(error))
            except Exception:
                log.exception("pool.round_failed")
            await self._pause(due_s - clock.monotonic_s())

    async def _pause(self, seconds: float) -> None:
        """Wait for the next look, or until something happened."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._work.wake.wait()
        except TimeoutError:
            return
        self._work.wake.clear()

    async def leave(self, *, heirs: bool = False) -> None:
        """Remove what this host is responsible for: it shuts down.

        What the engine does not answer for stays recorded, and is removed by the next host.

        Args:
            heirs: Whether other hosts go on with what is ready, so that it is left to them.
        """
        context = self._context
        store = context.repository.store
        at_once = asyncio.Semaphore(REMOVED_AT_ONCE)

        async def one(warm: Warm) -> None:
            async with at_once:
                await self._making.remove(warm, "shutdown")

        found = [warm async for warm in records.listed(store, f"runtime={context.runtime.name}")]
        mine = [warm for warm in found if warm.instance == context.instance]
        await asyncio.gather(*(one(warm) for warm in mine if not (heirs and warm.state is State.READY)))
        await states.forget(store, context.instance)


def _claimed(wanted: Container, warm: Warm, context: Context) -> Container:
    """Return the record of a warm container as that of the one that was wanted."""
    now = context.clock.now()
    return attrs.evolve(
        wanted, id=warm.id, ref=warm.ref, status=Status.RUNNING, started_at=now, last_used_at=now
    )
