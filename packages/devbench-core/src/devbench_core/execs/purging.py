"""Purges commands: their record becomes a tombstone, then their output goes.

In this order, so that a reader who still finds the record afterwards knows that he read all there was; and whoever is
killed in between leaves a tombstone that says that there is something left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from devbench_core import metrics
from devbench_core.clock import Clock
from devbench_core.contracts.store import Change, Record, Remove, Store
from devbench_core.errors import Conflict
from devbench_core.execs import records, tombstones
from devbench_core.execs.tombstones import UNFINISHED, Tombstone
from devbench_core.execs.trimming import BATCH, Old
from devbench_core.journal.log import log_name
from devbench_core.logs import get_logger

log = get_logger(__name__)
TOGETHER = 50
"""Commands purged in one change of the store."""
CONTAINER_GONE = "lifetimes.ended_retention_s"


class Purger:
    """Purges commands. Each step may be repeated, by any number of hosts at once.

    Args:
        store: Keeps the commands.
        clock: Where time comes from.
        forget: Told of each command that is purged.
    """

    def __init__(self, store: Store, clock: Clock, forget: Callable[[str], None]) -> None:
        self._store = store
        self._clock = clock
        self._forget = forget

    async def purge(self, old: Sequence[Old], setting: str, limit: float) -> None:
        """Purge ended commands; one that changed meanwhile is left to who changed it."""
        if old:
            await self._mark(old, setting, limit)
            metrics.DELETIONS.labels(setting).inc(len(old))
            await self.finish()
            log.info("exec.purged", commands=len(old), setting=setting, limit=limit)

    async def finish(self) -> None:
        """Drop the output of all that is marked, also by a host that died meanwhile."""
        more = True
        while more:
            page = await self._store.list(tombstones.KIND, terms=frozenset({UNFINISHED}), limit=TOGETHER)
            for record in page.records:
                await self._store.drop(log_name(record.key))
            await self._apply_each([_finished(record) for record in page.records])
            more = bool(page.cursor)

    async def unfinished(self) -> int:
        """Return how many purged commands may still have output in the store."""
        count, cursor = 0, ""
        while True:
            page = await self._store.list(
                tombstones.KIND, terms=frozenset({UNFINISHED}), after=cursor, limit=BATCH
            )
            count += len(page.records)
            cursor = page.cursor
            if not cursor:
                return count

    async def drop_tombstones(self, old: Sequence[Old], setting: str, _limit: float) -> None:
        """Remove tombstones, and once more the output: a host that was superseded may have written some."""
        for each in old:
            await self._store.drop(log_name(each.key))
            await self._apply([Remove(kind=tombstones.KIND, key=each.key, expect=each.revision)])
        if old:
            metrics.DELETIONS.labels(setting).inc(len(old))

    async def forget(self, container_id: str) -> None:
        """Remove all that is known of a container's commands. Safe to repeat."""
        words = frozenset({f"container={container_id}"})
        while (page := await self._store.list(records.KIND, terms=words, limit=BATCH)).records:
            await self._mark([old_of(record) for record in page.records], CONTAINER_GONE, 0)
        while (page := await self._store.list(tombstones.KIND, terms=words, limit=BATCH)).records:
            await self.drop_tombstones(
                [old_of_tombstone(record) for record in page.records], CONTAINER_GONE, 0
            )

    async def _mark(self, old: Sequence[Old], setting: str, limit: float) -> None:
        """Put tombstones in place of records."""
        for start in range(0, len(old), TOGETHER):
            some = old[start : start + TOGETHER]
            await self._apply_each([self._mark_of(each, setting, limit) for each in some])
            for each in some:
                self._forget(each.key)

    def _mark_of(self, each: Old, setting: str, limit: float) -> list[Change]:
        tombstone = Tombstone(
            exec_id=each.key,
            container_id=each.container_id,
            tenant=each.tenant,
            ended_at=each.at,
            purged_at=self._clock.now(),
            setting=setting,
            limit=limit,
        )
        return [
            Remove(kind=records.KIND, key=each.key, expect=each.revision),
            tombstones.put(tombstone, finished=False),
        ]

    async def _apply_each(self, parts: Sequence[list[Change]]) -> None:
        """Do each part or nothing of it: all together unless another host is at work on some of them."""
        if len(parts) <= 1 or not await self._apply([change for part in parts for change in part]):
            for part in parts:
                await self._apply(part)

    async def _apply(self, changes: Sequence[Change]) -> bool:
        """Do all changes or none; return whether they were done."""
        try:
            await self._store.apply(*changes)
        except Conflict:
            return False
        return True


def _finished(record: Record) -> list[Change]:
    return [tombstones.put(tombstones.read(record), finished=True, revision=record.revision)]


def old_of(record: Record) -> Old:
    """Return a command's record as a candidate; one that runs counts as of its creation."""
    ending = record.data.get("ending")
    at = ending["at"] if isinstance(ending, dict) else record.data["created_at"]
    return _old(record, at)


def old_of_tombstone(record: Record) -> Old:
    """Return a tombstone as a candidate."""
    return _old(record, record.data["purged_at"])


def _old(record: Record, at: object) -> Old:
    return Old(
        at=datetime.fromisoformat(str(at)),
        key=record.key,
        revision=record.revision,
        container_id=str(record.data["container_id"]),
        tenant=str(record.data["tenant"]),
    )
