"""Finds what is beyond its retention, by age and by count, looking at a bounded number of records at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import attrs

from devbench_core.clock import Clock
from devbench_core.contracts.store import Record, Store

BATCH = 100
"""Records looked at together."""
ROUND_MAX = 1000
"""Records dropped in one round; the next one goes on."""
SLACK = 8
"""A container is counted anew when an eighth of its limit came in since it was counted."""


@attrs.frozen(kw_only=True, order=True)
class Old:
    """A record that may go, as little of it as is needed for that: its data may be large."""

    at: datetime
    key: str
    revision: int
    container_id: str
    tenant: str


@attrs.frozen(kw_only=True)
class Rule:
    """What is kept how long.

    Attributes:
        kind: The collection.
        terms: Words of what may go.
        read: Makes a candidate of a record.
        drop: Drops candidates for the setting that is named, whose value is given.
        age_s: How long one is kept.
        age_setting: Says so.
        keep: How many of one container are kept.
        keep_setting: Says so.
        grace_s: For so long one is kept however many there are.
        held: Which keys of a container are kept however many there are; asked when it has too many.
    """

    kind: str
    terms: frozenset[str]
    read: Callable[[Record], Old]
    drop: Callable[[Sequence[Old], str, float], Awaitable[None]]
    age_s: float
    age_setting: str
    keep: int
    keep_setting: str
    grace_s: float
    held: Callable[[str], Awaitable[frozenset[str]]] | None = None


class Trimmer:
    """Applies a rule.

    It walks along all records, a batch a round and further while it finds old ones, and counts each container's on
    the way. A container that may have too many, by that or by what was `note`d, is counted exactly and trimmed,
    the oldest first.
    """

    def __init__(self, store: Store, clock: Clock, rule: Rule) -> None:
        self._store = store
        self._clock = clock
        self._rule = rule
        self._cursor = ""
        self._tally: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()

    def note(self, container_id: str, count: int = 1) -> None:
        """Take note that a container has more."""
        self._noted[container_id] += count

    def forget(self, container_id: str) -> None:
        """A container is gone for good."""
        self._noted.pop(container_id, None)
        self._tally.pop(container_id, None)

    async def round(self) -> int:
        """Drop what is beyond its retention, at most `ROUND_MAX`; return how many."""
        dropped = await self._walk()
        for container_id in [name for name, count in self._noted.items() if count >= self._threshold]:
            if dropped >= ROUND_MAX:
                break
            dropped += await self._trim(container_id, ROUND_MAX - dropped)
        return dropped

    @property
    def _threshold(self) -> int:
        return max(1, self._rule.keep // SLACK)

    async def _walk(self) -> int:
        rule, dropped = self._rule, 0
        while True:
            page = await self._store.list(rule.kind, terms=rule.terms, after=self._cursor, limit=BATCH)
            self._cursor = page.cursor
            found = [rule.read(record) for record in page.records]
            old = [each for each in found if each.at <= self._before(rule.age_s)]
            self._tally.update(each.container_id for each in found)
            self._tally.subtract(each.container_id for each in old)
            await rule.drop(old, rule.age_setting, rule.age_s)
            dropped += len(old)
            if not self._cursor:
                self._count_over()
            if not self._cursor or not old or dropped >= ROUND_MAX:
                return dropped

    def _count_over(self) -> None:
        """A walk is over: those that seem to have too many are counted exactly."""
        for container_id, count in self._tally.items():
            if count > self._rule.keep:
                self.note(container_id, self._threshold)
        self._tally.clear()

    async def _trim(self, container_id: str, most: int) -> int:
        """Drop a container's oldest beyond the limit."""
        rule = self._rule
        self._noted.pop(container_id, None)
        found = sorted([each async for each in self._of_container(container_id)])
        beyond = found[: max(0, len(found) - rule.keep)]
        over = [each for each in beyond if each.at <= self._before(rule.grace_s)]
        if over and rule.held is not None:
            held = await rule.held(container_id)
            over = [each for each in over if each.key not in held]
            beyond = [each for each in beyond if each.key not in held]  # when it is released is nobody's news
        await rule.drop(over[:most], rule.keep_setting, rule.keep)
        if len(beyond) > most or len(over) < len(beyond):
            self.note(container_id, self._threshold)  # there is more, now or when its grace is over
        return len(over[:most])

    async def _of_container(self, container_id: str) -> AsyncIterator[Old]:
        terms, cursor = self._rule.terms | {f"container={container_id}"}, ""
        while True:
            page = await self._store.list(self._rule.kind, terms=terms, after=cursor, limit=BATCH)
            for record in page.records:
                yield self._rule.read(record)
            cursor = page.cursor
            if not cursor:
                return

    def _before(self, seconds: float) -> datetime:
        return self._clock.now() - timedelta(seconds=seconds)
