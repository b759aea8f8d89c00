"""What a store promises about logs."""

import asyncio

import pytest

from devbench_core.contracts.store import LogEntry, Store
from devbench_core.errors import ValidationFailed


def entries(*seqs: int, mark: bytes = b"") -> list[LogEntry]:
    return [LogEntry(seq=seq, data=mark + str(seq).encode()) for seq in seqs]


async def test_an_unknown_log_is_empty(store: Store):
    assert await store.read("log") == ()


async def test_entries_come_back_in_order_whatever_the_order_of_writing(store: Store):
    await store.append("log", entries(3, 1))
    await store.append("log", entries(2))
    assert await store.read("log") == tuple(entries(1, 2, 3))


async def test_any_bytes_come_back(store: Store):
    every = bytes(range(256)) * 1000
    await store.append("log", [LogEntry(seq=1, data=every), LogEntry(seq=2, data=b"")])
    assert [entry.data for entry in await store.read("log")] == [every, b""]


async def test_an_entry_that_is_there_stays_as_it_is(store: Store):
    await store.append("log", entries(1, 2))
    await store.append("log", [*entries(2, 3, mark=b"new"), LogEntry(seq=3, data=b"twice")])
    assert [entry.data for entry in await store.read("log")] == [b"1", b"2", b"new3"]


async def test_reading_goes_on_after_a_sequence_number(store: Store):
    await store.append("log", entries(*range(1, 11)))
    assert await store.read("log", after=3, limit=2) == tuple(entries(4, 5))
    assert await store.read("log", after=10) == ()
    assert await store.read("log", after=2**63 - 1) == ()


async def test_the_largest_sequence_number_is_taken(store: Store):
    await store.append("log", entries(2**63 - 1))
    assert await store.read("log", after=2**63 - 2) == tuple(entries(2**63 - 1))


@pytest.mark.parametrize("seq", [0, -1, 2**63])
async def test_a_sequence_number_out_of_bounds_is_refused_and_nothing_written(store: Store, seq: int):
    with pytest.raises(ValidationFailed, match="seq"):
        await store.append("log", entries(1, seq))
    assert await store.read("log") == ()


@pytest.mark.parametrize("after", [-1, 2**63])
async def test_a_cursor_out_of_bounds_is_refused(store: Store, after: int):
    with pytest.raises(ValidationFailed, match="after"):
        await store.read("log", after=after)


async def test_dropping_a_log_leaves_the_others(store: Store):
    await store.append("a", entries(1))
    await store.append("b", entries(1))
    await store.drop("a")
    await store.drop("a")
    assert await store.read("a") == ()
    assert await store.read("b") == tuple(entries(1))
    await store.append("a", entries(1, mark=b"again"))
    assert [entry.data for entry in await store.read("a")] == [b"again1"]


async def test_appending_nothing_makes_no_log(store: Store):
    await store.append("log", [])
    assert await store.read("log") == ()


async def test_concurrent_writers_of_one_log_lose_nothing(store: Store):
    await asyncio.gather(*(store.append("log", entries(n, n + 1)) for n in range(1, 100)))
    assert [entry.seq for entry in await store.read("log", limit=1000)] == list(range(1, 101))
