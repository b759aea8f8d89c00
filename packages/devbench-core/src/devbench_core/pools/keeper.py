"""Keeps this host's part of the pools: what is dead or outdated is replaced, what dead hosts left is taken over.

Each host looks after what it made, and after what dead hosts left. What other living hosts made it only counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import attrs

from devbench_core.containers.context import Context
from devbench_core.errors import Conflict
from devbench_core.model.container import ContainerSpec
from devbench_core.pools import records, states
from devbench_core.pools.claims import Claims
from devbench_core.pools.filling import Filler
from devbench_core.pools.making import Maker
from devbench_core.pools.records import State, Warm
from devbench_core.pools.replacing import reason_for
from devbench_core.pools.states import Said
from devbench_core.pools.tally import Tally
from devbench_core.pools.work import Work

LOOKED_AT_ONCE = 8


class Keeper:
    """Looks at the pools.

    Args:
        context: The collaborators.
        tallies: This host's view of each configured pool, by name.
        claims: Is told what is ready.
        making: Knows what makes containers here.
        filler: Fills and removes.
        work: Runs what takes time.
    """

    def __init__(
        self,
        context: Context,
        tallies: Mapping[str, Tally],
        claims: Claims,
        making: Maker,
        filler: Filler,
        work: Work,
    ) -> None:
        self._context = context
        self._limits = context.settings.pools
        self._tallies = tallies
        self._claims = claims
        self._making = making
        self._filler = filler
        self._work = work
        self._said: dict[str, Said] = {}
        self._linked: set[str] = set()
        self._looking = asyncio.Lock()

    async def settle(self) -> None:
        """Wait until nothing is under way that this host began, and nothing more is to be begun."""
        while True:
            await self._work.done()
            self._work.wake.clear()
            await self.fill()
            async with self._looking:  # whoever began to look meanwhile is done
                if self._work.is_idle:
                    return

    async def tend(self) -> None:
        """Look at everything once: replace what is dead or outdated, then fill."""
        async with self._looking:
            self._filler.look_up_when_due()
            sound = await self._sound(await self._own())
            self._claims.know(sound)
            await self._forget_links({warm.id for warm in sound})
            await self._say()
            await self._filler.fill()

    async def fill(self) -> None:
        """Look only whether there are enough."""
        async with self._looking:
            await self._filler.fill()

    async def _own(self) -> list[Warm]:
        """Return those that this host is responsible for, those of dead hosts now among them."""
        alive: dict[str, bool] = {self._context.instance: True}
        own: list[Warm] = []
        here = f"runtime={self._context.runtime.name}"
        async for warm in records.listed(self._context.repository.store, here):
            if warm.instance not in alive:
                alive[warm.instance] = await self._context.instances.alive(warm.instance)
            if not alive[warm.instance]:
                adopted = await self._adopted(warm)
                if adopted is not None:
                    own.append(adopted)
            elif warm.instance == self._context.instance:
                own.append(warm)
        return own

    async def _adopted(self, warm: Warm) -> Warm | None:
        """Make this host responsible for what a dead one left; None when another host was faster."""
        changed = attrs.evolve(warm, instance=self._context.instance)
        if warm.state is State.MAKING:
            changed = attrs.evolve(changed, state=State.LEAVING, reason="half_made")
        try:
            return await records.save(self._context.repository.store, changed)
        except Conflict:
            return None

    async def _sound(self, own: list[Warm]) -> list[Warm]:
        """Begin to remove what must go, and return what may be given away."""
        stay: list[Warm] = []
        for warm in own:
            if self._filler.is_at_work_on(warm):
                continue
            reason = self._reason(warm)
            if reason:
                self._filler.remove(warm, reason)
            else:
                stay.append(warm)
        at_once = asyncio.Semaphore(LOOKED_AT_ONCE)
        answers = await asyncio.gather(*(self._answers(warm, at_once) for warm in stay))
        for warm, answer in zip(stay, answers, strict=True):
            if not answer:
                self._filler.remove(warm, "dead")
        return [warm for warm, answer in zip(stay, answers, strict=True) if answer]

    def _reason(self, warm: Warm) -> str:
        if warm.state is State.MAKING:
            return "half_made"
        if warm.state is State.LEAVING:
            return warm.reason or "dead"
        tally, now = self._tallies.get(warm.pool), self._context.clock.now()
        return reason_for(warm, tally, self._making.maker, now, self._limits.max_age_s)

    async def _answers(self, warm: Warm, at_once: asyncio.Semaphore) -> bool:
        blank = self._making.blank(ContainerSpec(image=""), warm.image_id, warm.id)
        async with at_once:
            return await self._claims.answers(warm, blank)

    async def _forget_links(self, waiting: set[str]) -> None:
        """Forget the links to those that other hosts got and have removed since."""
        for container_id in self._linked - waiting:
            if await self._context.links.forget_unused(container_id):
                self._linked.discard(container_id)
        self._linked |= waiting

    async def _say(self) -> None:
        """Tell all hosts what this one knows, where that changed, and hear what they want."""
        now_s, store = self._context.clock.monotonic_s(), self._context.repository.store
        for tally in self._tallies.values():
            said = Said(
                instance=self._context.instance,
                pool=tally.name,
                wanted=tally.wanted(now_s, self._limits.demand_window_s),
                hits=tally.hits,
                misses=tally.misses,
                failures=tally.failures,
                failure=tally.failure,
                failed_at=tally.failed_at,
            )
            if self._said.get(tally.name) != said:
                await store.apply(said.put())
                self._said[tally.name] = said
        own, alive = self._context.instance, self._context.instances.alive
        self._filler.wanted_by_others = await states.wanted_by_others(store, own, alive)
