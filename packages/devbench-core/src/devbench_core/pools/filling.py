"""Fills pools, as far as there are slots, and removes what is too much."""

from __future__ import annotations

from collections.abc import Mapping

from devbench_core import metrics
from devbench_core.containers.context import Context
from devbench_core.errors import DevbenchError
from devbench_core.logs import get_logger
from devbench_core.pools import records
from devbench_core.pools.claims import Claims
from devbench_core.pools.making import Maker
from devbench_core.pools.records import State, Warm
from devbench_core.pools.tally import Tally
from devbench_core.pools.targets import Targets
from devbench_core.pools.work import Work

log = get_logger(__name__)


class Filler:
    """Decides what is to be made and removed, and has it done.

    Args:
        context: The collaborators.
        tallies: This host's view of each configured pool, by name.
        claims: Is told what is ready.
        making: Makes and removes.
        targets: Says what a pool is made of.
        work: Runs all that takes time.

    Attributes:
        wanted_by_others: By pool, what the other host wants that wants most; it is not too much for this one.
    """

    def __init__(
        self,
        context: Context,
        tallies: Mapping[str, Tally],
        claims: Claims,
        making: Maker,
        targets: Targets,
        work: Work,
    ) -> None:
        self._context = context
        self._limits = context.settings.pools
        self._tallies = tallies
        self._claims = claims
        self._making = making
        self._targets = targets
        self._work = work
        self.wanted_by_others: Mapping[str, int] = {}
        self._slots = {
            name: {
                records.slot_key(context.runtime.name, name, slot): slot for slot in range(tally.pool.most)
            }
            for name, tally in tallies.items()
        }

    def look_up_when_due(self) -> None:
        """Find out what pools are made of, where that was not looked up lately."""
        now_s = self._context.clock.monotonic_s()
        for tally in self._tallies.values():
            if now_s >= max(tally.retry_s, tally.looked_s + self._limits.image_check_s):
                self._work.begin(f"look {tally.name}", self._look_up(tally))

    async def fill(self) -> None:
        """Look once at all pools."""
        here = f"runtime={self._context.runtime.name}"
        found = [warm async for warm in records.listed(self._context.repository.store, here)]
        for tally in self._tallies.values():
            self._fill_one(tally, [warm for warm in found if warm.pool == tally.name])

    def remove(self, warm: Warm, reason: str) -> None:
        """Begin to remove one that nobody got."""
        self._work.begin(f"remove {warm.id}", self._removal(warm, reason))

    def is_at_work_on(self, warm: Warm) -> bool:
        """Tell whether this host is making or removing it."""
        return self._work.is_under_way(warm.slot_key) or self._work.is_under_way(f"remove {warm.id}")

    def _fill_one(self, tally: Tally, found: list[Warm]) -> None:
        now_s = self._context.clock.monotonic_s()
        wanted = tally.wanted(now_s, self._limits.demand_window_s)
        ready = [warm for warm in found if warm.state is State.READY]
        own = [warm for warm in ready if warm.instance == self._context.instance]
        metrics.POOL_READY.labels(tally.name).set(len(own))
        alike = [warm for warm in ready if tally.target and warm.fingerprint == tally.target.fingerprint]
        surplus = len(alike) - max(
            wanted, self.wanted_by_others.get(tally.name, 0)
        )  # of others their host says
        removable = [warm for warm in own if warm in alike]
        for warm in sorted(removable, key=lambda warm: warm.made_at)[: max(0, surplus)]:
            self.remove(warm, "surplus")
        if tally.target is None or now_s < tally.retry_s:
            return
        taken = {warm.slot_key for warm in found}
        slots = {key: slot for key, slot in self._slots[tally.name].items() if key not in taken}
        there = sum(
            warm.fingerprint == tally.target.fingerprint and warm.state is not State.LEAVING for warm in found
        )
        missing = wanted - there - self._work.count(slots)  # what was begun may not be in the store yet
        for key, slot in slots.items():
            if missing <= 0 or not self._may_begin(tally):
                return
            if not self._work.is_under_way(key):
                missing -= 1
                self._work.begin(key, self._make(tally, slot))

    def _may_begin(self, tally: Tally) -> bool:
        """Bound what is made at once; after a failure try one only."""
        making = sum(self._work.count(slots) for slots in self._slots.values())
        return making < (1 if tally.failures else self._limits.parallel)

    async def _make(self, tally: Tally, slot: int) -> None:
        target = tally.target
        if target is None:
            return
        try:
            warm = await self._making.make(tally.name, slot, target)
        except Exception as error:  # noqa: BLE001 - a fault of a plugin is told like any other, and tried again
            self._failed(tally, error)
            return
        if warm is not None:
            tally.succeeded()
            self._claims.add(warm)
        self._work.wake.set()

    async def _look_up(self, tally: Tally) -> None:
        try:
            target = await self._targets.of(tally.pool)
        except Exception as error:  # noqa: BLE001 - a fault of a plugin, too: told, and tried again
            self._failed(tally, error)
            return
        tally.looked_s = self._context.clock.monotonic_s()
        if tally.target != target:
            tally.target = target
            self._work.wake.set()

    def _failed(self, tally: Tally, error: Exception) -> None:
        """Tell it, and wait: it never fails a spawn."""
        context = self._context
        if isinstance(error, DevbenchError):
            code, text = error.code, str(error)[:500]
            log.warning("pool.failed", pool=tally.name, error=text)
        else:
            code, text = DevbenchError.code, f"{type(error).__name__}: {error}"[:500]
            log.error("pool.failed", pool=tally.name, error=text, exc_info=error)
        tally.failed(text, context.clock.now().isoformat(), context.clock.monotonic_s(), self._limits)
        metrics.POOL_FAILURES.labels(tally.name, code).inc()
        context.emit("pool.failed", None, "", {"pool": tally.name, "code": code, "error": text})

    async def _removal(self, warm: Warm, reason: str) -> None:
        leaving = warm if warm.state is State.LEAVING else await self._claims.withdraw(warm, reason)
        if leaving is not None and await self._making.remove(leaving, reason):
            self._work.wake.set()
