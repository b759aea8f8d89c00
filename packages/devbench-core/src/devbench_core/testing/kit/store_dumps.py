"""What a store promises that can be dumped, and loaded with a dump."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable

import pytest

from devbench_core.contracts.store import Append, LogEntry, Put, Record, Store
from devbench_core.contracts.store_powers import DumpItem, SupportsDump, SupportsLoad
from devbench_core.errors import Conflict, ValidationFailed
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.opening import WithStore
from devbench_core.testing.kit.store_records import RICH

MANY = 1200
"""More than anybody reads at once."""
RECORDS = (
    Record(kind="a", key="B", revision=7, data=RICH, terms=frozenset({"x", "label:ä=\U0001f600"})),
    Record(kind="a", key="a", revision=1, data={}),
    Record(kind="a", key="ä", revision=2**62, data={"b": 1, "a": 2}),
    Record(kind="b", key="1", revision=2, data={"n": [1, None]}, terms=frozenset({"x"})),
)
LOGS = (
    Append(log="L", entries=(LogEntry(seq=3, data=bytes(range(256))), LogEntry(seq=2**62, data=b""))),
    Append(log="l", entries=(LogEntry(seq=1, data=b"\0"),)),
)


class Broken(Exception):
    """A dump that cannot be read to its end."""


async def given(*items: DumpItem, error: Exception | None = None) -> AsyncGenerator[DumpItem]:
    for item in items:
        yield item
    if error is not None:
        raise error


def whole(items: Iterable[DumpItem]) -> list[Record | tuple[str, LogEntry]]:
    """Return items without the borders between pieces of a log."""
    found: list[Record | tuple[str, LogEntry]] = []
    for item in items:
        found += [item] if isinstance(item, Record) else [(item.log, entry) for entry in item.entries]
    return found


async def dumped(store: Store) -> list[Record | tuple[str, LogEntry]]:
    if not isinstance(store, SupportsDump):
        pytest.skip("the store does not offer SupportsDump")
    async with store.dump() as items:
        return whole([item async for item in items])


async def load(store: Store, items: AsyncIterator[DumpItem], *, replace: bool = False) -> None:
    if not isinstance(store, SupportsLoad):
        pytest.skip("the store does not offer SupportsLoad")
    await store.load(items, replace=replace)


@in_time
@pytest.mark.asyncio
@stated_by(SupportsDump.dump)
class StoreDumpsContract(WithStore):
    """What a store promises of `SupportsDump` and `SupportsLoad`; where it has neither, all of it is skipped."""

    async def test_a_dump_of_an_empty_store_is_empty(self, store: Store):
        assert await dumped(store) == []

    async def test_a_dump_has_every_record_with_its_revision_and_every_entry_in_order(self, store: Store):
        await store.apply(Put(kind="b", key="1", data={"n": 1}))
        await store.apply(Put(kind="b", key="1", data={"n": 2}, terms=frozenset({"x"})))
        await store.apply(Put(kind="a", key="ä", data=RICH), Put(kind="a", key="B", data={}))
        await store.apply(*LOGS)
        assert await dumped(store) == [
            Record(kind="a", key="B", revision=1, data={}),
            Record(kind="a", key="ä", revision=1, data=RICH),
            Record(kind="b", key="1", revision=2, data={"n": 2}, terms=frozenset({"x"})),
            *whole(LOGS),
        ]

    async def test_a_dump_is_of_the_moment_of_entering_whatever_is_written_meanwhile(self, store: Store):
        if not isinstance(store, SupportsDump):
            pytest.skip("the store does not offer SupportsDump")
        puts = [Put(kind="k", key=f"{n:05}", data={"n": n}) for n in range(MANY)]
        await store.apply(*puts)
        await store.apply(LOGS[0])
        async with store.dump() as items:
            found = [await anext(items)]
            await store.apply(*puts, Put(kind="z", key="new", data={}))
            await store.apply(LOGS[1])
            await store.drop(LOGS[0].log)
            found += [item async for item in items]
        assert {item.revision for item in found if isinstance(item, Record)} == {1}
        assert [item.key for item in found if isinstance(item, Record)] == [put.key for put in puts]
        assert whole(item for item in found if isinstance(item, Append)) == whole(LOGS[:1])

    async def test_a_dump_may_be_left_in_its_middle(self, store: Store):
        if not isinstance(store, SupportsDump):
            pytest.skip("the store does not offer SupportsDump")
        await store.apply(*(Put(kind="k", key=str(n), data={}) for n in range(10)))
        async with store.dump() as items:
            await anext(items)
        assert len(await dumped(store)) == 10

    @stated_by(SupportsLoad.load)
    async def test_what_was_loaded_is_there_with_its_revisions_and_found_by_its_terms(self, store: Store):
        await load(store, given(*RECORDS, *LOGS))
        for record in RECORDS:
            assert await store.get(record.kind, record.key) == record
        assert (await store.list("a", terms=frozenset({"x"}))).records == RECORDS[:1]
        for log in LOGS:
            assert await store.read(log.log) == log.entries
        (changed,) = await store.apply(Put(kind="a", key="B", data={}, expect=7))
        assert changed is not None
        assert changed.revision == 8

    @stated_by(SupportsLoad.load, SupportsDump.dump)
    async def test_what_was_loaded_is_dumped_as_it_was(self, store: Store):
        many = [Record(kind="k", key=f"{n:05}", revision=n + 1, data={"n": n}) for n in range(MANY)]
        entries = tuple([LogEntry(seq=seq, data=b"x" * 100) for seq in range(1, MANY)])
        parts = [
            Append(log="many", entries=entries[start : start + 100]) for start in range(0, len(entries), 100)
        ]
        await load(store, given(*RECORDS, *many, *LOGS, *parts))
        assert await dumped(store) == whole([*RECORDS, *many, *LOGS, *parts])

    @stated_by(SupportsLoad.load)
    async def test_a_store_that_is_not_empty_is_not_loaded(self, store: Store):
        await store.apply(Append(log="log", entries=(LogEntry(seq=1, data=b"x"),)))
        with pytest.raises(Conflict):
            await load(store, given(*RECORDS))
        assert await store.get("a", "B") is None
        assert len(await store.read("log")) == 1

    @stated_by(SupportsLoad.load)
    async def test_what_is_there_goes_where_that_was_asked_for(self, store: Store):
        await store.apply(Put(kind="old", key="1", data={}, terms=frozenset({"x"})), *LOGS)
        await load(store, given(*RECORDS), replace=True)
        assert await dumped(store) == list(RECORDS)
        assert (await store.list("old", terms=frozenset({"x"}))).records == ()

    @stated_by(SupportsLoad.load)
    async def test_a_dump_that_breaks_off_changes_nothing(self, store: Store):
        await store.apply(Put(kind="old", key="1", data={}), LOGS[0])
        with pytest.raises(Broken):
            await load(store, given(*RECORDS, *LOGS, error=Broken()), replace=True)
        assert await store.get("old", "1") is not None
        assert await store.read(LOGS[0].log) == LOGS[0].entries
        assert await store.get("a", "B") is None
        assert await store.read(LOGS[1].log) == ()
        await store.apply(Put(kind="old", key="2", data={}))

    @stated_by(SupportsLoad.load)
    async def test_items_out_of_order_or_of_no_use_are_refused_and_nothing_is_changed(self, store: Store):
        wrong: tuple[tuple[DumpItem, ...], ...] = (
            (RECORDS[1], RECORDS[0]),
            (RECORDS[0], RECORDS[0]),
            (LOGS[0], RECORDS[0]),
            (LOGS[0], LOGS[0]),
            (Record(kind="a", key="a", revision=0, data={}),),
            (Record(kind="", key="a", revision=1, data={}),),
            (Append(log="l", entries=(LogEntry(seq=2, data=b""), LogEntry(seq=1, data=b""))),),
        )
        for items in wrong:
            with pytest.raises(ValidationFailed):
                await load(store, given(*items))
        await load(store, given(*RECORDS))
