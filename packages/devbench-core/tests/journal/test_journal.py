"""The journal: numbered, durable before it is shown, bounded in memory."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbench_core.contracts.store import Append, Change, LogEntry, Record
from devbench_core.errors import StoreFailed
from devbench_core.journal.ends import read_ends
from devbench_core.journal.entry import Kept, from_entry, to_entry
from devbench_core.journal.journal import Journal
from devbench_core.journal.log import find_end, log_name, read_chunks
from devbench_core.memory.store import MemoryStore
from devbench_core.model.execution import Chunk, StreamName

OUT, ERR = StreamName.STDOUT, StreamName.STDERR
PIECES = st.lists(st.tuples(st.sampled_from([OUT, ERR]), st.binary(min_size=1, max_size=50)), max_size=40)


def make(store: MemoryStore, *, batch: int = 4096, memory: int = 100_000) -> Journal:
    return Journal("x_1", store, batch_bytes=batch, memory_bytes=memory)


async def flush(journal: Journal, store: MemoryStore) -> None:
    batch = journal.batch()
    if batch is not None:
        await store.apply(batch)
        journal.written()


async def flush_all(journal: Journal, store: MemoryStore) -> None:
    while not journal.is_clean:
        await flush(journal, store)


def streams(chunks: "tuple[Chunk, ...] | list[Chunk]") -> dict[StreamName, bytes]:
    return {name: b"".join(c.data for c in chunks if c.stream is name) for name in StreamName}


async def read_all(journal: Journal, max_bytes: int) -> list[Chunk]:
    found: list[Chunk] = []
    while chunks := await journal.read(found[-1].seq if found else 0, max_bytes):
        found += chunks
    return found


@given(PIECES, st.integers(300, 2000), st.integers(0, 3000), st.integers(1, 300))
def test_everything_is_read_once_in_order_from_memory_or_store(
    pieces: list[tuple[StreamName, bytes]], batch: int, memory: int, max_bytes: int
) -> None:
    async def scenario() -> None:
        store = MemoryStore()
        journal = make(store, batch=batch, memory=memory)
        end = 0
        for index, (stream, data) in enumerate(pieces):
            end += len(data)
            journal.add(end, stream, data)
            if index % 3 == 0:
                await flush(journal, store)
        await flush_all(journal, store)
        found = await read_all(journal, max_bytes)
        assert [chunk.seq for chunk in found] == list(range(1, len(found) + 1))
        assert b"".join(c.data for c in found) == b"".join(data for _, data in pieces)
        assert streams(found)[ERR] == b"".join(data for stream, data in pieces if stream is ERR)
        assert journal.memory_bytes <= max(memory, 0) or not found
        assert await find_end(store, log_name("x_1")) == (len(found), end)
        assert list(await read_chunks(store, log_name("x_1"), 0, 10**9)) == found

    asyncio.run(scenario())


async def test_nothing_is_shown_before_it_is_durable():
    store = MemoryStore()
    journal = make(store)
    journal.add(3, OUT, b"abc")
    assert await journal.read(0, 100) == ()
    await flush(journal, store)
    assert [chunk.data for chunk in await journal.read(0, 100)] == [b"abc"]
    assert journal.durable_offset == 3


async def test_small_pieces_of_one_stream_are_joined_until_somebody_could_see_them():
    store = MemoryStore()
    journal = make(store)
    for i in range(100):
        journal.add(i + 1, OUT, b"x")
    await flush_all(journal, store)
    assert [len(chunk.data) for chunk in await journal.read(0, 1000)] == [100]


async def test_a_gap_is_a_chunk_that_says_how_much_was_lost():
    store = MemoryStore()
    journal = make(store)
    journal.add(3, OUT, b"abc")
    journal.add_gap(3, 10)
    journal.add(11, OUT, b"z")
    await flush_all(journal, store)
    chunks = await journal.read(0, 100)
    assert [(c.data, c.lost_bytes) for c in chunks] == [(b"abc", 0), (b"", 7), (b"z", 0)]
    assert await read_chunks(store, log_name("x_1"), 0, 100) == chunks
    assert await find_end(store, log_name("x_1")) == (3, 11)


async def test_a_batch_that_failed_is_written_again_unchanged():
    class Failing(MemoryStore):
        fails = True

        async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
            done = await super().apply(*changes)
            if self.fails:
                self.fails = False
                raise StoreFailed("the answer was lost")
            return done

    store = Failing()
    journal = make(store)
    journal.add(3, OUT, b"abc")
    with pytest.raises(StoreFailed):
        await flush(journal, store)
    journal.add(6, OUT, b"def")
    await flush_all(journal, store)
    assert [c.data for c in await read_chunks(store, log_name("x_1"), 0, 100)] == [b"abc", b"def"]


async def test_a_reader_waits_until_there_is_something_or_the_time_is_over():
    store = MemoryStore()
    journal = make(store)
    await journal.wait(0, 0.01)
    waiting = asyncio.create_task(journal.wait(0, 30))
    await asyncio.sleep(0)
    journal.add(1, OUT, b"x")
    await flush(journal, store)
    await asyncio.wait_for(waiting, 5)
    closing = asyncio.create_task(journal.wait(1, 30))
    await asyncio.sleep(0)
    journal.close()
    await asyncio.wait_for(closing, 5)


async def test_a_damaged_entry_is_said_to_be():
    for data in (b"", b"\x01\x09" + bytes(16)):
        with pytest.raises(StoreFailed):
            from_entry(LogEntry(seq=1, data=data))


@given(PIECES, st.integers(2, 300), st.integers(2, 30))
def test_the_ends_are_exact_and_say_what_lies_between(
    pieces: list[tuple[StreamName, bytes]], limit_bytes: int, limit_chunks: int
):
    async def check() -> None:
        store, entries, end = MemoryStore(), list[LogEntry](), 0
        for seq, (stream, data) in enumerate(pieces, start=1):
            end += len(data)
            entries.append(to_entry(Kept(chunk=Chunk(seq=seq, stream=stream, data=data), end=end)))
        await store.apply(Append(log=log_name("x_1"), entries=tuple(entries)))
        ends = await read_ends(
            store,
            log_name("x_1"),
            last=len(pieces),
            limit_bytes=limit_bytes,
            limit_chunks=limit_chunks,
        )
        shown = b"".join(chunk.data for chunk in (*ends.head, *ends.tail))
        assert len(shown) + ends.skipped_bytes == end
        assert [chunk.seq for chunk in ends.head] == list(range(1, len(ends.head) + 1))
        if ends.tail:
            assert ends.tail[-1].seq == len(pieces)
        if ends.skipped_bytes:
            head, tail = (sum(len(chunk.data) for chunk in side) for side in (ends.head, ends.tail))
            assert head > limit_bytes // 2 or len(ends.head) >= limit_chunks // 2
            assert tail >= limit_bytes - limit_bytes // 2 or len(ends.tail) >= limit_chunks // 2

    asyncio.run(check())


async def test_the_end_of_a_log_is_found_from_any_place_that_is_known():
    store = MemoryStore()
    entries = tuple(
        to_entry(Kept(chunk=Chunk(seq=seq, stream=OUT, data=b"x"), end=seq)) for seq in range(1, 38)
    )
    await store.apply(Append(log="l", entries=entries))
    for known in (0, 1, 2, 17, 36, 37):
        assert await find_end(store, "l", known=known) == (37, 37)
