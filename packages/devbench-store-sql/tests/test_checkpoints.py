"""The write-ahead log is copied into the database beside the writer, and begun anew."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

from devbench_core.contracts.store import Append, LogEntry, Put
from devbench_store_sql.connections import LOG_PAGES_MAX
from devbench_store_sql.store import SqlStore

OpenSql = Callable[..., AbstractAsyncContextManager[SqlStore]]
MIB = 1024 * 1024
PIECES, PIECE = 512, 256 * 1024  # 128 MiB, twice the bound
PAGE_BYTES = 4096


def log_of(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def size_of(path: Path) -> int:
    return path.stat().st_size


async def write_a_stream(store: SqlStore, name: str) -> None:
    for number in range(1, PIECES + 1):
        await store.apply(Append(log=name, entries=(LogEntry(seq=number, data=bytes(PIECE)),)))


async def test_the_log_stays_within_its_bound_while_a_stream_is_written(open_sql: OpenSql, database: Path):
    async with open_sql() as store:
        await write_a_stream(store, "stream")
        assert size_of(log_of(database)) < LOG_PAGES_MAX * PAGE_BYTES + 4 * MIB
        assert size_of(database) > PIECES * PIECE // 2


async def test_where_copying_falls_behind_a_commit_copies_the_log(open_sql: OpenSql):
    async with open_sql() as store:
        pages = await store.writer.do(lambda c: c.execute("PRAGMA wal_autocheckpoint").fetchone()[0])
    assert pages == LOG_PAGES_MAX


async def test_copying_keeps_the_locks_of_all_stores_of_this_process(open_sql: OpenSql, database: Path):
    async with open_sql() as first, open_sql() as second:
        await asyncio.gather(write_a_stream(first, "one"), write_a_stream(second, "two"))
        with closing(sqlite3.connect(database)) as other:  # as the last one it would remove the log
            assert other.execute("SELECT count(*) FROM logs").fetchone() == (2 * PIECES,)
        assert log_of(database).exists()
        await first.apply(Put(kind="k", key="a", data={"n": 1}))
        record = await second.get("k", "a")
    assert record is not None


async def test_everything_is_there_after_a_stream_and_an_end_in_its_middle(open_sql: OpenSql):
    async with open_sql() as store:
        stream = asyncio.create_task(write_a_stream(store, "stream"))
        while not await store.read("stream", after=PIECES // 2, limit=1):
            await asyncio.sleep(0.001)
        stream.cancel()
        await asyncio.wait([stream])
    async with open_sql() as store:
        entries = await store.read("stream", limit=PIECES)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    assert len(entries) > PIECES // 2
