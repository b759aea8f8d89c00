"""How long ended commands are kept, and how long it is known that one was purged."""

from __future__ import annotations

from functools import partial

from devbench_core.execs import holds, records, tombstones
from devbench_core.execs.context import ExecContext
from devbench_core.execs.purging import Purger, old_of, old_of_tombstone
from devbench_core.execs.runs import Runs
from devbench_core.execs.trimming import Rule, Trimmer
from devbench_core.model.finding import Finding, Garbage

GRACE_S = 60.0
"""A command is kept for so long after its end however many end after it: somebody may be reading it."""
REMEMBERED_BATCH = 50
"""Commands in memory that are looked up in one round: another host may have purged them."""


class Retention:
    """Purges what is beyond ``execs.retain_s`` and ``execs.retain_per_container``, in the background."""

    def __init__(self, context: ExecContext, runs: Runs) -> None:
        store, clock, limits = context.store, context.clock, context.limits
        self._store = store
        self._runs = runs
        self._purger = Purger(store, clock, runs.drop)
        self._commands = Trimmer(
            store,
            clock,
            Rule(
                kind=records.KIND,
                terms=frozenset({records.ENDED}),
                read=old_of,
                drop=self._purger.purge,
                age_s=limits.retain_s,
                age_setting="execs.retain_s",
                keep=limits.retain_per_container,
                keep_setting="execs.retain_per_container",
                grace_s=GRACE_S,
                held=partial(holds.held, store),
            ),
        )
        self._tombstones = Trimmer(
            store,
            clock,
            Rule(
                kind=tombstones.KIND,
                terms=frozenset(),
                read=old_of_tombstone,
                drop=self._purger.drop_tombstones,
                age_s=limits.purged_retain_s,
                age_setting="execs.purged_retain_s",
                keep=limits.purged_per_container,
                keep_setting="execs.purged_per_container",
                grace_s=0.0,
            ),
        )
        self._looked_up = 0

    def ended(self, container_id: str) -> None:
        """Take note that a command of a container ended."""
        self._commands.note(container_id)

    async def purge(self) -> None:
        """Do one round, of bounded length."""
        await self._purger.finish()
        await self._commands.round()
        await self._tombstones.round()

    async def due(self) -> tuple[Finding, ...]:
        """Say what would be purged in the end."""
        found = [
            Finding(what=Garbage.COMMAND, reason=setting, count=count)
            for setting, count in (await self._commands.due()).items()
        ]
        found += [
            Finding(what=Garbage.TOMBSTONE, reason=setting, count=count)
            for setting, count in (await self._tombstones.due()).items()
        ]
        if journals := await self._purger.unfinished():
            found.append(Finding(what=Garbage.JOURNAL, reason="purged", count=journals))
        return tuple(found)

    async def forget(self, container_id: str) -> None:
        """Remove all that is known of a container's commands, for good. Safe to repeat."""
        self._commands.forget(container_id)
        self._tombstones.forget(container_id)
        await self._purger.forget(container_id)

    async def tend(self) -> None:
        """Remember no longer what another host purged; a part of it in each round."""
        remembered = self._runs.remembered()
        if self._looked_up >= len(remembered):
            self._looked_up = 0
        some = remembered[self._looked_up : self._looked_up + REMEMBERED_BATCH]
        self._looked_up += len(some)
        for exec_id in some:
            if await self._store.get(records.KIND, exec_id) is None:
                self._runs.drop(exec_id)
