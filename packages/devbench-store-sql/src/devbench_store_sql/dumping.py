"""Everything that the database holds, out of it and into it, each in one transaction on a connection of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

from devbench_core.contracts.checks import not_empty
from devbench_core.contracts.store_powers import DumpItem
from devbench_store_sql import connections
from devbench_store_sql.changes import add_all
from devbench_store_sql.dumps import Batch, batches, entries_of, records_of
from devbench_store_sql.failures import failure, translated
from devbench_store_sql.lane import Lane
from devbench_store_sql.patience import patiently
from devbench_store_sql.settings import SqlSettings

READ_BYTES = 512 * 1024
"""About how much is read from the database at a time, and so is in memory."""
READ_ROWS = 500
RECORDS = "SELECT kind, key, revision, data, terms FROM records WHERE kind <> '' ORDER BY kind, key"
ENTRIES = "SELECT log, seq, data FROM logs ORDER BY log, seq"
TABLES = ("record_terms", "records WHERE kind <> ''", "logs")
"""What is dumped and loaded; fences stay as they are (`devbench_store_sql.deciding.FENCES`)."""
Row = tuple[object, ...]


@asynccontextmanager
async def dump(settings: SqlSettings, path: Path) -> AsyncGenerator[AsyncIterator[DumpItem]]:
    """Give everything as it is now: a reader of SQLite's sees one moment as long as its transaction lasts.

    Raises:
        StoreFailed: The database cannot be read.
    """
    async with _lane(partial(connections.reader, path, settings), path) as lane:
        with translated(path):
            await patiently(lambda: lane.run(_begin_to_read), settings.busy_timeout_s)
        async with aclosing(_items(lane, path)) as items:
            yield items


async def load(settings: SqlSettings, path: Path, items: AsyncIterator[DumpItem], *, replace: bool) -> None:
    """Take in everything or nothing; other writers wait meanwhile, as long as they have patience.

    Raises:
        Conflict: There is something already.
        ValidationFailed: An item is out of order, or none that a store takes.
        StoreFailed: The database refuses, for example since the disk is full.
    """
    connect = partial(connections.writer, path, settings, busy_timeout_s=settings.busy_timeout_s)
    async with _lane(connect, path) as lane:  # whose closing rolls back what was not committed
        with translated(path):
            await patiently(lambda: lane.run(connections.begin), settings.busy_timeout_s)
            await lane.run(partial(_make_room, path=path, replace=replace))
        async with aclosing(batches(items)) as taken:
            async for batch in taken:
                with translated(path):
                    await lane.run(partial(_take, batch=batch))
        try:
            await lane.run(lambda connection: connection.commit())
        except (sqlite3.Error, OSError) as error:
            raise failure(path, error, committing=True) from error


@asynccontextmanager
async def _lane(connect: partial[sqlite3.Connection], path: Path) -> AsyncGenerator[Lane]:
    lane = Lane(connect)
    with translated(path):
        await lane.open()
    try:
        yield lane
    finally:
        await lane.close()


def _begin_to_read(connection: sqlite3.Connection) -> None:
    if not connection.in_transaction:  # tried again
        connection.execute("BEGIN")
    connection.execute(
        "SELECT count(*) FROM sqlite_master"
    ).fetchone()  # the moment is that of the first look


async def _items(lane: Lane, path: Path) -> AsyncGenerator[DumpItem]:
    for query, items_of in ((RECORDS, records_of), (ENTRIES, entries_of)):
        with translated(path):
            cursor = await lane.run(partial(_cursor, query=query))
        while True:
            with translated(path):
                rows = await lane.run(partial(_some, cursor=cursor))
            if not rows:
                break
            for item in items_of(rows):
                yield item


def _cursor(connection: sqlite3.Connection, query: str) -> sqlite3.Cursor:
    return connection.execute(query)


def _some(_: sqlite3.Connection, cursor: sqlite3.Cursor) -> list[Row]:
    """Return the next rows: as many as `READ_BYTES` take, one at least."""
    rows: list[Row] = []
    size = 0
    while size < READ_BYTES and len(rows) < READ_ROWS and (row := cursor.fetchone()) is not None:
        rows.append(row)
        size += sum(len(value) for value in row if isinstance(value, (str, bytes)))
    return rows


def _make_room(connection: sqlite3.Connection, path: Path, *, replace: bool) -> None:
    for table in TABLES:
        if replace:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
        elif connection.execute(f"SELECT EXISTS (SELECT * FROM {table})").fetchone()[0]:  # noqa: S608 - the same
            raise not_empty(repr(str(path)))


def _take(connection: sqlite3.Connection, batch: Batch) -> None:
    add_all(connection, batch.rows, batch.entries)
