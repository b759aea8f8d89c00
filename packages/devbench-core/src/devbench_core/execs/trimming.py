"""Finds what is beyond its retention, by age and by count, looking at a bounded number of records at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from devbench_core.clock import Clock
from devbench_core.contracts.store import Record, Store
from devbench_core.values import frozen

BATCH = 100
"""Records looked at together."""
ROUND_MAX = 1000
"""Records dropped in one round; the next one goes on."""
NOTED_MAX = 10_000
"""Containers that are noted at once."""
SLACK = 8
"""A container is counted anew when an eighth of its limit came in beyond it, or an eighth of the grace is over."""


@frozen
class Old:
    """A record that may go, as little of it as is needed for that: its data may be large."""

    at: datetime
    key: str
    revision: int
    container_id: str
    tenant: str


@frozen
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


@frozen
class _Next:
    """When a container is worth to be counted again, by what the last count showed.

    Attributes:
        more: How many must come in before it can have too many by more than the slack.
        at: The grace of none of its records is over before; by the monotonic clock, since the other may be set back.
    """

    more: int
    at: float


class Trimmer:
    """Applies a rule.

    It walks along all records, a batch a round and further while it finds old ones, and counts each container's on
    the way. A container that may have too many, by that or by what was `note`d, is counted exactly and trimmed,
    the oldest first. A count reads all records of a container, so it is not repeated before it can show something.
    """

    def __init__(self, store: Store, clock: Clock, rule: Rule) -> None:
        self._store = store
        self._clock = clock
        self._rule = rule
        self._cursor = ""
        self._tally: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()
        self._next: dict[str, _Next] = {}

    def note(self, container_id: str, count: int = 1) -> None:
        """Take note that a container has more. A host that does not lead has no use for it, so not too many."""
        if len(self._noted) >= NOTED_MAX:
            self._noted.clear()  # the walk finds them, too
        self._noted[container_id] += count

    def forget(self, container_id: str) -> None:
        """A container is gone for good."""
        self._noted.pop(container_id, None)
        self._tally.pop(container_id, None)
        self._next.pop(container_id, None)

    async def round(self) -> int:
        """Drop what is beyond its retention, at most `ROUND_MAX`; return how many."""
        dropped = await self._walk()
        for container_id in [name for name in self._noted if self._is_due(name)]:
            if dropped >= ROUND_MAX:
                break
            dropped += await self._trim(container_id, ROUND_MAX - dropped)
        return dropped

    async def due(self) -> dict[str, int]:
        """Return how many would be dropped in the end, by the setting that asks for it. All records are read."""
        rule, kept = self._rule, defaultdict[str, list[Old]](list)
        found: Counter[str] = Counter()
        cursor = ""
        while True:
            page = await self._store.list(rule.kind, terms=rule.terms, after=cursor, limit=BATCH)
            for each in map(rule.read, page.records):
                if each.at <= self._before(rule.age_s):
                    found[rule.age_setting] += 1
                else:
                    kept[each.container_id].append(each)
            cursor = page.cursor
            if not cursor:
                break
        for container_id, records in kept.items():
            found[rule.keep_setting] += len(await self._beyond(container_id, records))
        return dict(+found)

    async def _beyond(self, container_id: str, found: list[Old]) -> list[Old]:
        rule = self._rule
        found.sort(key=lambda each: (each.at, each.key))
        over = [
            each for each in found[: max(0, len(found) - rule.keep)] if each.at <= self._before(rule.grace_s)
        ]
        held = await rule.held(container_id) if over and rule.held is not None else frozenset[str]()
        return [each for each in over if each.key not in held]

    @property
    def _threshold(self) -> int:
        return max(1, self._rule.keep // SLACK)

    def _is_due(self, container_id: str) -> bool:
        after = self._next.get(container_id)
        if after is None:
            return self._noted[container_id] >= self._threshold
        return self._noted[container_id] >= after.more and self._clock.monotonic_s() >= after.at

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
                after = self._next.get(container_id)
                self.note(container_id, self._threshold if after is None else after.more)
        self._tally.clear()

    async def _trim(self, container_id: str, most: int) -> int:
        """Drop a container's oldest beyond the limit."""
        rule = self._rule
        self._noted.pop(container_id, None)
        found = [each async for each in self._of_container(container_id)]
        found.sort(key=lambda each: (each.at, each.key))
        beyond = found[: max(0, len(found) - rule.keep)]
        over = [each for each in beyond if each.at <= self._before(rule.grace_s)]
        if over and rule.held is not None:
            held = await rule.held(container_id)
            over = [each for each in over if each.key not in held]
            beyond = [each for each in beyond if each.key not in held]
        await rule.drop(over[:most], rule.keep_setting, rule.keep)
        self._plan(container_id, room=rule.keep - len(found), waiting=beyond[len(over) :], rest=over[most:])
        return len(over[:most])

    def _plan(self, container_id: str, *, room: int, waiting: Sequence[Old], rest: Sequence[Old]) -> None:
        """Decide when the next count can show something; too many that go on being held are nobody's news."""
        more, grace = self._threshold, self._rule.grace_s
        if rest:
            self.note(container_id, more)
            self._next.pop(container_id, None)
        elif waiting:
            self.note(container_id, more)
            left_s = grace - (self._clock.now() - waiting[0].at).total_seconds()
            wait_s = min(max(left_s, grace / SLACK), grace)
            self._next[container_id] = _Next(more=more, at=self._clock.monotonic_s() + wait_s)
        else:
            self._next[container_id] = _Next(more=more + max(0, room), at=0.0)

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
