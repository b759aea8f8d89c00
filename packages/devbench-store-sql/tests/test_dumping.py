"""From SQLite to PostgreSQL and back: every row is the same, byte for byte."""

from __future__ import annotations

import gzip
import sqlite3
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.store import Record
from devbench_core.contracts.store_powers import SupportsDump, SupportsLoad
from devbench_core.dumps import compressed, read_dump, write_dump
from devbench_store_sql import plugin
from devbench_store_sql.postgres.address import address_of
from devbench_store_sql.postgres.connections import connect
from devbench_store_sql.settings import SqlSettings
from harness.dumped import LOGS, RECORDS, each, items_of
from harness.postgres import Server

EXAMPLES = 25
(SQL,) = plugin.devbench_stores()
ROWS = (
    "SELECT kind, key, revision, data, terms FROM records ORDER BY kind, key",
    "SELECT kind, term, key FROM record_terms ORDER BY kind, term, key",
    "SELECT log, seq, data FROM logs ORDER BY log, seq",
)


async def of_pieces(data: bytes) -> AsyncGenerator[bytes]:
    yield data


def context(folder: Path) -> OpenContext:
    return OpenContext(installation="", state_dir=folder, cache_dir=folder, clock=SystemClock())


async def dump_of(store: object) -> bytes:
    assert isinstance(store, SupportsDump)
    async with store.dump() as items:
        pieces = compressed(write_dump(items, made_at=SystemClock().now()))
        return b"".join([piece async for piece in pieces])


async def load_into(store: object, data: bytes) -> None:
    assert isinstance(store, SupportsLoad)
    await store.load(read_dump(of_pieces(data)), replace=True)


def content(dump: bytes) -> list[bytes]:
    """Return the lines of a dump without what tells when it was made."""
    return gzip.decompress(dump).splitlines()[1:-1]


def rows_of_sqlite(path: Path) -> list[list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(query).fetchall() for query in ROWS]


async def rows_of_postgres(chosen: SqlSettings) -> list[list[tuple[Any, ...]]]:
    connection = await connect(chosen, address_of(chosen))
    try:
        return [[tuple(row) for row in await connection.fetch(query)] for query in ROWS]
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def database(postgres_server: Server) -> SqlSettings:
    """Give a database of PostgreSQL that is loaded anew each time."""
    return SqlSettings.model_validate({"url": postgres_server.database()})


@settings(max_examples=EXAMPLES, deadline=None)
@given(records=RECORDS, logs=LOGS)
async def test_a_move_to_postgresql_and_back_keeps_every_row(
    database: SqlSettings, records: list[Record], logs: dict[str, dict[int, bytes]]
):
    items = items_of(records, logs)
    with tempfile.TemporaryDirectory() as name:
        first, last = Path(name) / "first", Path(name) / "last"
        async with AsyncExitStack() as stack:
            opened = [
                await stack.enter_async_context(SQL.open(chosen, context(folder)))
                for chosen, folder in ((SqlSettings(), first), (database, first), (SqlSettings(), last))
            ]
            before, between, after = opened
            assert isinstance(before, SupportsLoad)
            await before.load(each(items))
            await load_into(between, await dump_of(before))
            await load_into(after, await dump_of(between))
            assert content(await dump_of(before)) == content(await dump_of(after))
        rows = rows_of_sqlite(first / "devbench.db")
        assert len(rows[0]) == len(records)
        assert rows == rows_of_sqlite(last / "devbench.db")
        assert rows == await rows_of_postgres(database)
