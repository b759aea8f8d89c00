"""Dumps as bytes: what goes in comes out, and what is not whole is refused with its reason."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devbench_core.contracts.store import Append, LogEntry, Record
from devbench_core.contracts.store_powers import DumpItem
from devbench_core.dumps import Counts, compressed, read_dump, write_dump
from devbench_core.errors import DumpRefused, TooLarge
from devbench_core.memory.store import MemoryStore
from harness.dumped import LOGS, RECORDS, each, items_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SOME: tuple[DumpItem, ...] = (
    Record(kind="k", key="a", revision=3, data={"b": 1, "a": "ä"}, terms=frozenset({"t", "s"})),
    Record(kind="k", key="b", revision=1, data={}),
    Append(log="l", entries=(LogEntry(seq=1, data=b"hi"), LogEntry(seq=9, data=b""))),
    Append(log="m", entries=(LogEntry(seq=2, data=bytes(range(256))),)),
)


async def cut_into(data: bytes, size: int) -> AsyncGenerator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def written(items: Iterable[DumpItem] = SOME, *, packed: bool = False) -> bytes:
    pieces: AsyncIterator[bytes] = write_dump(each(items), made_at=NOW)
    return b"".join([piece async for piece in (compressed(pieces) if packed else pieces)])


async def read(data: bytes, size: int = 1000) -> list[DumpItem]:
    return [item async for item in read_dump(cut_into(data, size))]


async def refusal(data: bytes) -> DumpRefused:
    with pytest.raises(DumpRefused) as refused:
        await read(data)
    return refused.value


@settings(max_examples=60, deadline=None)
@given(records=RECORDS, logs=LOGS, size=st.integers(1, 200), packed=st.booleans())
async def test_what_is_written_is_read_as_it_was_and_written_again_byte_for_byte(
    records: list[Record], logs: dict[str, dict[int, bytes]], size: int, packed: bool
):
    items = items_of(records, logs)
    data = await written(items, packed=packed)
    again = await read(data, size)
    assert again == items
    assert await written(again, packed=packed) == data


async def test_the_lines_are_those_that_the_documentation_shows():
    head, *lines, end = [json.loads(line) for line in (await written(SOME[1:3])).splitlines()]
    assert head["format"] == "devbench-dump"
    assert head["version"] == 1
    assert head["made_at"] == "2026-01-02T03:04:05+00:00"
    assert lines == [
        {"kind": "k", "key": "b", "revision": 1, "terms": [], "data": {}},
        {"log": "l", "entries": [[1, base64.b64encode(b"hi").decode()], [9, ""]]},
    ]
    assert {name: end["end"][name] for name in ("records", "logs", "entries")} == {
        "records": 1,
        "logs": 1,
        "entries": 2,
    }


@pytest.mark.parametrize("packed", [False, True])
async def test_a_dump_that_is_cut_anywhere_is_refused(packed: bool):
    data = await written(packed=packed)
    for length in range(len(data) - 1):  # without its last line break it is whole
        assert (await refusal(data[:length])).details["reason"] in {"cut", "format"}, length


async def test_a_byte_that_changed_anywhere_is_seen():
    data = await written()
    for place in range(len(data) - 1):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(DumpRefused):
            await read(changed)


async def test_a_compressed_dump_that_changed_is_refused():
    data = await written(packed=True)
    for place in range(10, len(data)):  # what stands before has no meaning for the content
        with pytest.raises(DumpRefused):
            await read(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


@pytest.mark.parametrize("rest", [b"x", b"\n", b'{"end": {}}\n'])
async def test_what_comes_after_the_end_is_refused(rest: bytes):
    assert (await refusal(await written() + rest)).details["reason"] == "damaged"
    assert (await refusal(await written(packed=True) + rest)).details["reason"] == "damaged"


@pytest.mark.parametrize(
    "data", [b"SQLite format 3\0" * 100, b"{}\n", b"[]\n", b'{"format": "other"}\n', b"hello"]
)
async def test_what_is_no_dump_is_said_to_be_none(data: bytes):
    refused = await refusal(data)
    assert refused.details["reason"] == "format"
    assert "devbench db export" in refused.hint


async def test_a_dump_of_a_later_version_is_refused_by_name():
    refused = await refusal((await written()).replace(b'"version": 1', b'"version": 2'))
    assert refused.details["reason"] == "version"
    assert "upgrade devbench" in refused.hint


async def test_what_unpacks_to_much_is_read_in_bounded_pieces():
    bomb = gzip.compress(b" " * 100_000_000)
    refused = await refusal(bomb)
    assert refused.details["reason"] in {"damaged", "format"}


async def test_a_record_that_nobody_could_read_again_is_not_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("devbench_core.dumps.writing.LINE_MAX_BYTES", 100)
    with pytest.raises(TooLarge, match="'big'"):
        await written([Record(kind="k", key="big", revision=1, data={"text": "x" * 200})])


async def test_a_whole_store_goes_through_a_dump():
    first, second = MemoryStore(), MemoryStore()
    await first.load(each(SOME))
    counts, read_counts = Counts(), Counts()
    async with first.dump() as items:
        data = b"".join([piece async for piece in write_dump(items, made_at=NOW, counts=counts)])
    await second.load(read_dump(cut_into(data, 7), counts=read_counts))
    assert counts.values() == read_counts.values() == {"records": 2, "logs": 2, "entries": 3}
    async with second.dump() as items:
        assert [item async for item in items] == list(SOME)
