"""Faults of stores, seeded into the store in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs

from devbench_core.contracts.checks import check_item
from devbench_core.contracts.store import (
    Append,
    Change,
    Fence,
    LogEntry,
    Put,
    Record,
    RecordPage,
    Remove,
    Store,
)
from devbench_core.contracts.store_powers import DumpItem
from devbench_core.errors import Conflict, StaleToken
from devbench_core.memory.store import MemoryStore

Seeded = Callable[[], Store]
FAULTS: dict[str, Seeded] = {}
"""By the sentence that says what is wrong."""


def fault(sentence: str) -> Callable[[type[MemoryStore]], type[MemoryStore]]:
    """Enter a faulty store."""

    def enter(cls: type[MemoryStore]) -> type[MemoryStore]:
        FAULTS[sentence] = cls
        return cls

    return enter


class _Changed(MemoryStore):
    """A store that makes other changes than it was asked for."""

    def changed(self, change: Change) -> Change:
        return change

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        return await super().apply(*[self.changed(change) for change in changes])


@fault("a compare-and-set loses updates: expectations are not looked at")
class _Careless(_Changed):
    def changed(self, change: Change) -> Change:
        return attrs.evolve(change, expect=None) if isinstance(change, Put | Remove) else change


@fault("an expectation is looked at before other writers are kept out")
class _Racing(MemoryStore):
    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        for change in changes:
            if isinstance(change, Put | Remove) and change.expect is not None:
                found = await self.get(change.kind, change.key)
                if (found.revision if found else 0) != change.expect:
                    return await super().apply(*changes)
        await asyncio.sleep(0)
        return await super().apply(
            *[attrs.evolve(c, expect=None) if isinstance(c, Put | Remove) else c for c in changes]
        )


@fault("the changes of a call are made one by one")
class _Piecemeal(MemoryStore):
    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        done: list[Record | None] = []
        for change in changes:
            done += await super().apply(change)
        return tuple(done)


@fault("readers see a call half done")
class _Visible(MemoryStore):
    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        before = {k: dict(v) for k, v in self._records.items()}, {k: dict(v) for k, v in self._logs.items()}
        done: list[Record | None] = []
        try:
            for change in changes:
                done += await super().apply(change)
                await asyncio.sleep(0)
        except BaseException:
            self._records, self._logs = before
            raise
        return tuple(done)


@fault("results come in the opposite order of the changes")
class _Backwards(MemoryStore):
    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        return (await super().apply(*changes))[::-1]


@fault("a conflict does not say what was found")
class _Silent(MemoryStore):
    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        try:
            return await super().apply(*changes)
        except Conflict as error:
            raise Conflict(error.message) from None


@fault("removing the absent is a conflict")
class _Strict(_Changed):
    def changed(self, change: Change) -> Change:
        absent = isinstance(change, Remove) and change.key not in self._records.get(change.kind, {})
        return attrs.evolve(change, expect=1) if isinstance(change, Remove) and absent else change


@fault("a record that was removed goes on with its old revision")
class _Remembering(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], int] = {}

    def _stage(self, change: Put | Remove, staged: Any) -> Any:
        kept = super()._stage(change, staged)
        where = change.kind, change.key
        if kept is not None and kept.revision == 1 and where in self._last:
            kept = staged[where] = attrs.evolve(kept, revision=self._last[where] + 1)
        if kept is not None:
            self._last[where] = kept.revision
        return kept


@fault("a write that changes nothing keeps its revision")
class _Thrifty(MemoryStore):
    def _stage(self, change: Put | Remove, staged: Any) -> Any:
        before = self._records.get(change.kind, {}).get(change.key)
        kept = super()._stage(change, staged)
        if kept is not None and before is not None and kept.text == before.text:
            kept = staged[change.kind, change.key] = attrs.evolve(kept, revision=before.revision)
        return kept


@fault("records of different kinds share their keys")
class _OneKind(_Changed):
    def changed(self, change: Change) -> Change:
        return attrs.evolve(change, kind="all") if isinstance(change, Put | Remove) else change

    async def get(self, kind: str, key: str) -> Record | None:
        found = await super().get("all", key)
        return None if found is None else attrs.evolve(found, kind=kind)


@fault("terms of earlier revisions are still found")
class _OldTerms(_Changed):
    def changed(self, change: Change) -> Change:
        if not isinstance(change, Put):
            return change
        kept = self._records.get(change.kind, {}).get(change.key)
        return attrs.evolve(change, terms=change.terms | (kept.terms if kept else frozenset()))


@fault("one of several terms is enough to be found")
class _AnyTerm(MemoryStore):
    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        await super().list(kind, terms=terms, after=after, limit=limit)
        page = await super().list(kind, after=after, limit=1000)
        found = [each for each in page.records if not terms or terms & each.terms]
        return RecordPage(
            records=tuple(found[:limit]), cursor=found[limit - 1].key if len(found) > limit else ""
        )


@fault("a page begins with the record that it shall begin after")
class _Inclusive(MemoryStore):
    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        page = await super().list(kind, terms=terms, after=after, limit=limit)
        first = await self.get(kind, after) if after else None
        return page if first is None else attrs.evolve(page, records=(first, *page.records)[:limit])


@fault("a page that holds exactly the rest has a cursor")
class _OneMore(MemoryStore):
    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        page = await super().list(kind, terms=terms, after=after, limit=limit)
        return attrs.evolve(page, cursor=page.records[-1].key if len(page.records) == limit else page.cursor)


@fault("records come in the order of writing")
class _Unsorted(MemoryStore):
    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        page = await super().list(kind, terms=terms, after=after, limit=limit)
        order = list(self._records.get(kind, {}))
        return attrs.evolve(page, records=tuple(sorted(page.records, key=lambda each: order.index(each.key))))


@fault("keys are ordered as a dictionary for people orders them")
class _Folded(MemoryStore):
    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        page = await super().list(kind, terms=terms, after=after, limit=limit)
        return attrs.evolve(page, records=tuple(sorted(page.records, key=lambda each: each.key.casefold())))


@fault("limits are not checked")
class _Limitless(MemoryStore):
    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        return await super().list(kind, terms=terms, after=after, limit=min(max(limit, 1), 1000))


@fault("what is returned is the store's own, and can be changed from outside")
class _Shared(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self._given: dict[tuple[str, str, int], Any] = {}

    async def get(self, kind: str, key: str) -> Record | None:
        found = await super().get(kind, key)
        if found is None:
            return None
        return attrs.evolve(found, data=self._given.setdefault((kind, key, found.revision), found.data))


@fault("numbers and other values come back as text")
class _Stringly(MemoryStore):
    async def get(self, kind: str, key: str) -> Record | None:
        found = await super().get(kind, key)
        return None if found is None else attrs.evolve(found, data={k: str(v) for k, v in found.data.items()})


@fault("values that are no JSON are taken")
class _Loose(_Changed):
    def changed(self, change: Change) -> Change:
        if not isinstance(change, Put):
            return change
        return attrs.evolve(change, data=json.loads(json.dumps(change.data, default=str).replace("NaN", "0")))


@fault("names are cut to their limit instead of refused")
class _Cutting(_Changed):
    def changed(self, change: Change) -> Change:
        if isinstance(change, Append):
            return attrs.evolve(change, log=change.log[:200])
        return attrs.evolve(change, key=change.key.replace("\0", "")[:200] or "empty")


@fault("an entry that is there is written over")
class _Overwriting(MemoryStore):
    def _append(self, change: Append) -> None:
        self._logs.setdefault(change.log, {}).update({entry.seq: entry.data for entry in change.entries})


@fault("entries come in the order of writing")
class _AsWritten(MemoryStore):
    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        entries = await super().read(log, after=after, limit=limit)
        order = list(self._logs.get(log, {}))
        return tuple(sorted(entries, key=lambda entry: order.index(entry.seq)))


@fault("reading begins with the entry that it shall begin after")
class _Again(MemoryStore):
    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        await super().read(log, after=after, limit=limit)
        return await super().read(log, after=max(after - 1, 0), limit=limit)


@fault("bytes go through text")
class _Textual(MemoryStore):
    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        entries = await super().read(log, after=after, limit=limit)
        return tuple(attrs.evolve(e, data=e.data.decode(errors="replace").encode()) for e in entries)


@fault("dropping a log drops those whose names begin with its name")
class _Prefix(MemoryStore):
    async def drop(self, log: str) -> None:
        await super().drop(log)
        for name in [name for name in self._logs if name.startswith(log)]:
            del self._logs[name]


@fault("dropping does nothing")
class _Keeping(MemoryStore):
    async def drop(self, log: str) -> None:
        _ = log


@fault("entries are written although the record's change is refused")
class _Early(MemoryStore):
    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        for change in changes:
            if isinstance(change, Append) and all(entry.seq >= 1 for entry in change.entries):
                self._append(change)
        return await super().apply(*changes)


@fault("a stale token is accepted")
class _Unfenced(MemoryStore):
    def _stage_fence(self, change: Fence, fences: Any) -> None:
        with suppress(StaleToken):
            super()._stage_fence(change, fences)


@fault("the greatest token is not kept: each call's last one is")
class _Lowering(MemoryStore):
    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        try:
            return await super().apply(*changes)
        except StaleToken:
            self._fences.update({c.key: c.token for c in changes if isinstance(c, Fence)})
            raise


@fault("the fence is kept although the call failed")
class _Fenced(MemoryStore):
    def _stage_fence(self, change: Fence, fences: Any) -> None:
        super()._stage_fence(change, fences)
        self._fences.update(fences)


@fault("a fence is looked at, and the rest done, by itself")
class _Apart(MemoryStore):
    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        done = await super().apply(*[each for each in changes if not isinstance(each, Fence)])
        await super().apply(*[each for each in changes if isinstance(each, Fence)])
        rest = iter(done)
        return tuple([None if isinstance(each, Fence) else next(rest) for each in changes])


@fault("all fences are one")
class _OneFence(_Changed):
    def changed(self, change: Change) -> Change:
        return attrs.evolve(change, key="all") if isinstance(change, Fence) else change


@fault("a token equal to the greatest is refused")
class _Single(MemoryStore):
    def _stage_fence(self, change: Fence, fences: Any) -> None:
        if self._fences.get(change.key) == change.token:
            raise StaleToken("seen already")
        super()._stage_fence(change, fences)


@fault("a dump goes on with what is written meanwhile")
class _Live(MemoryStore):
    @asynccontextmanager
    async def dump(self) -> AsyncGenerator[AsyncIterator[DumpItem]]:
        async def live() -> AsyncGenerator[DumpItem]:
            for kind in sorted(self._records):
                for key in sorted(self._records[kind]):
                    yield self._records[kind][key].record()
            for log in sorted(self._logs):
                some = tuple(LogEntry(seq=seq, data=self._logs[log][seq]) for seq in sorted(self._logs[log]))
                yield Append(log=log, entries=some)

        yield live()


class _Dumping(MemoryStore):
    """A store whose dumps, or what it loads, are other items than they were."""

    def dumped(self, items: list[DumpItem]) -> list[DumpItem]:
        return items

    def loaded(self, item: DumpItem) -> DumpItem:
        return item

    @asynccontextmanager
    async def dump(self) -> AsyncGenerator[AsyncIterator[DumpItem]]:
        async with super().dump() as items:
            found = self.dumped([item async for item in items])

        async def again() -> AsyncGenerator[DumpItem]:
            for item in found:
                yield item

        yield again()

    async def load(self, items: AsyncIterator[DumpItem], *, replace: bool = False) -> None:
        async def others() -> AsyncGenerator[DumpItem]:
            async for item in items:
                yield self.loaded(item)

        await super().load(others(), replace=replace)


@fault("a dump is in the order of writing")
class _UnsortedDump(_Dumping):
    def dumped(self, items: list[DumpItem]) -> list[DumpItem]:
        places = [(kind, key) for kind, kept in self._records.items() for key in kept]
        records = [item for item in items if isinstance(item, Record)]
        ordered = sorted(records, key=lambda item: places.index((item.kind, item.key)))
        return [*ordered, *(item for item in items if isinstance(item, Append))]


@fault("a dump leaves out empty entries")
class _Sparse(_Dumping):
    def dumped(self, items: list[DumpItem]) -> list[DumpItem]:
        return [
            attrs.evolve(item, entries=tuple(e for e in item.entries if e.data))
            if isinstance(item, Append)
            else item
            for item in items
        ]


@fault("a load begins every record anew at revision one")
class _Anew(_Dumping):
    def loaded(self, item: DumpItem) -> DumpItem:
        if isinstance(item, Append):
            return item
        return attrs.evolve(item, revision=min(item.revision, 1))


@fault("a load forgets the terms")
class _Termless(_Dumping):
    def loaded(self, item: DumpItem) -> DumpItem:
        return item if isinstance(item, Append) else attrs.evolve(item, terms=frozenset())


class _Taking(MemoryStore):
    """A store that takes items in while they come."""

    async def load(self, items: AsyncIterator[DumpItem], *, replace: bool = False) -> None:
        after: tuple[str, ...] = ()
        async for item in items:
            after = self.after(item, after)
            self._take(item)

    def after(self, item: DumpItem, after: tuple[str, ...]) -> tuple[str, ...]:
        return check_item(item, after)


@fault("a load writes while it reads, and stays half done")
class _Halfway(_Taking):
    async def load(self, items: AsyncIterator[DumpItem], *, replace: bool = False) -> None:
        if replace:
            self._records, self._logs = {}, {}
        else:
            self._must_be_empty()
        await super().load(items)


@fault("a load adds to what is there")
class _Merging(_Taking):
    async def load(self, items: AsyncIterator[DumpItem], *, replace: bool = False) -> None:
        before = {kind: dict(kept) for kind, kept in self._records.items()}, dict(self._logs)
        try:
            await super().load(items)
        except BaseException:
            self._records, self._logs = before
            raise


@fault("a load takes items in any order, and of any sort")
class _Greedy(_Taking):
    async def load(self, items: AsyncIterator[DumpItem], *, replace: bool = False) -> None:
        if replace:
            await MemoryStore.load(self, items, replace=True)
            return
        self._must_be_empty()
        await super().load(items)

    def after(self, item: DumpItem, after: tuple[str, ...]) -> tuple[str, ...]:
        return after
