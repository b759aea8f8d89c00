"""What a store promises about logs."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.contracts.store import Append, LogEntry, Put, Store
from devbench_core.errors import Conflict, ValidationFailed
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.opening import WithStore


def entries(*seqs: int, mark: bytes = b"") -> list[LogEntry]:
    return [LogEntry(seq=seq, data=mark + str(seq).encode()) for seq in seqs]


async def append(store: Store, log: str, *new: LogEntry) -> None:
    assert await store.apply(Append(log=log, entries=new)) == (None,)


@in_time
@pytest.mark.asyncio
@stated_by(Append, LogEntry)
class StoreLogsContract(WithStore):
    """What a store promises about logs. Needs the fixture ``open_store``, an `OpenStore`."""

    @stated_by(Store.read)
    async def test_an_unknown_log_is_empty(self, store: Store):
        assert await store.read("log") == ()

    async def test_entries_come_back_in_order_whatever_the_order_of_writing(self, store: Store):
        await append(store, "log", *entries(3, 1))
        await append(store, "log", *entries(2))
        assert await store.read("log") == tuple(entries(1, 2, 3))

    async def test_any_bytes_come_back(self, store: Store):
        every = bytes(range(256)) * 1000
        await append(store, "log", LogEntry(seq=1, data=every), LogEntry(seq=2, data=b""))
        first, second = await store.read("log")
        is_same = (
            first.data == every
        )  # not in the assertion: to explain how so many bytes differ takes minutes
        assert is_same, (
            f"the {len(first.data)} bytes that came back are not the {len(every)} that were written"
        )
        assert second.data == b""

    async def test_an_entry_that_is_there_stays_as_it_is(self, store: Store):
        await append(store, "log", *entries(1, 2))
        await append(store, "log", *entries(2, 3, mark=b"new"), LogEntry(seq=3, data=b"twice"))
        assert [entry.data for entry in await store.read("log")] == [b"1", b"2", b"new3"]

    @stated_by(Store.read)
    async def test_reading_goes_on_after_a_sequence_number(self, store: Store):
        await append(store, "log", *entries(*range(1, 11)))
        assert await store.read("log", after=3, limit=2) == tuple(entries(4, 5))
        assert await store.read("log", after=10) == ()
        assert await store.read("log", after=2**63 - 1) == ()

    async def test_the_largest_sequence_number_is_taken(self, store: Store):
        await append(store, "log", *entries(2**63 - 1))
        assert await store.read("log", after=2**63 - 2) == tuple(entries(2**63 - 1))

    @pytest.mark.parametrize("seq", [0, -1, 2**63])
    async def test_a_sequence_number_out_of_bounds_is_refused_and_nothing_written(
        self, store: Store, seq: int
    ):
        with pytest.raises(ValidationFailed, match="seq"):
            await append(store, "log", *entries(1, seq))
        assert await store.read("log") == ()

    @stated_by(Store.read)
    @pytest.mark.parametrize("after", [-1, 2**63])
    async def test_a_cursor_out_of_bounds_is_refused(self, store: Store, after: int):
        with pytest.raises(ValidationFailed, match="after"):
            await store.read("log", after=after)

    @stated_by(Store.drop)
    async def test_dropping_a_log_leaves_the_others(self, store: Store):
        for name in ("a", "b", "ab", "a/b"):
            await append(store, name, *entries(1))
        await store.drop("a")
        await store.drop("a")
        assert await store.read("a") == ()
        for name in ("b", "ab", "a/b"):
            assert await store.read(name) == tuple(entries(1))
        await append(store, "a", *entries(1, mark=b"again"))
        assert [entry.data for entry in await store.read("a")] == [b"again1"]

    async def test_appending_nothing_makes_no_log(self, store: Store):
        await append(store, "log")
        assert await store.read("log") == ()

    async def test_concurrent_writers_of_one_log_lose_nothing(self, store: Store):
        await asyncio.gather(*(append(store, "log", *entries(n, n + 1)) for n in range(1, 100)))
        assert [entry.seq for entry in await store.read("log", limit=1000)] == list(range(1, 101))

    async def test_records_and_entries_are_written_together(self, store: Store):
        put = Put(kind="run", key="a", data={"n": 1}, expect=0)
        added, record, more = await store.apply(
            Append(log="log", entries=tuple(entries(1))), put, Append(log="log", entries=tuple(entries(1, 2)))
        )
        assert (added, more) == (None, None)
        assert record == await store.get("run", "a")
        assert await store.read("log") == tuple(entries(1, 2))

    async def test_a_conflict_leaves_the_log_as_it_was(self, store: Store):
        stale = Put(kind="run", key="a", data={}, expect=7)
        with pytest.raises(Conflict):
            await store.apply(Append(log="log", entries=tuple(entries(1))), stale)
        assert await store.read("log") == ()

    async def test_a_wrong_entry_leaves_the_record_as_it_was(self, store: Store):
        with pytest.raises(ValidationFailed, match="seq"):
            await store.apply(Put(kind="run", key="a", data={}), Append(log="log", entries=tuple(entries(0))))
        assert await store.get("run", "a") is None
