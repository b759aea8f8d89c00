"""The store on SQL: one writer at a time, any number of readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Select, and_, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from devbench_core.contracts.checks import check_limit, check_name, revision_conflict
from devbench_core.contracts.store import ABSENT, LogEntry, Put, Record, RecordPage, Remove, Store
from devbench_store_sql.failures import translated
from devbench_store_sql.tables import logs, records, terms


class SqlStore:
    """The contract `devbench_core.contracts.store.Store` on SQLite."""

    def __init__(self, reading: AsyncEngine, writing: AsyncEngine, path: Path) -> None:
        self._reading = reading
        self._writing = writing
        self._path = path
        self._turn = asyncio.Lock()  # a queue in this process; SQLite's own lock has no order

    async def get(self, kind: str, key: str) -> Record | None:
        """Return a record, or None."""
        check_name("kind", kind)
        check_name("key", key)
        query = _COLUMNS.where(records.c.kind == kind, records.c.key == key)
        async with self._read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _record(kind, row)

    async def apply(self, *changes: Put | Remove) -> tuple[Record | None, ...]:
        """Do all changes or none."""
        for change in changes:
            check_name("kind", change.kind)
            check_name("key", change.key)
        async with self._write() as connection:
            return tuple([await _change(connection, change) for change in changes])

    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        """Return a page of records with all the terms, by key."""
        check_name("kind", kind)
        check_limit(limit)
        query = _matching(kind, terms).where(records.c.key > after).order_by(records.c.key).limit(limit + 1)
        async with self._read() as connection:
            found = [_record(kind, row) for row in await connection.execute(query)]
        page = tuple(found[:limit])
        return RecordPage(records=page, cursor=page[-1].key if len(found) > limit else "")

    async def append(self, log: str, entries: Sequence[LogEntry]) -> None:
        """Add entries; those that are there already are skipped."""
        check_name("log", log)
        if not entries:
            return
        rows = [{"log": log, "seq": entry.seq, "data": entry.data} for entry in entries]
        async with self._write() as connection:
            await connection.execute(insert_or_skip(logs).on_conflict_do_nothing(), rows)

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        """Return entries above a seq, rising."""
        check_name("log", log)
        check_limit(limit)
        query = (
            select(logs.c.seq, logs.c.data)
            .where(logs.c.log == log, logs.c.seq > after)
            .order_by(logs.c.seq)
            .limit(limit)
        )
        async with self._read() as connection:
            return tuple(LogEntry(seq=row[0], data=row[1]) for row in await connection.execute(query))

    async def drop(self, log: str) -> None:
        """Delete a log."""
        check_name("log", log)
        async with self._write() as connection:
            await connection.execute(delete(logs).where(logs.c.log == log))

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        with translated(self._path):
            async with self._reading.connect() as connection:
                yield connection  # each read is one statement, so it needs no transaction

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        with translated(self._path):
            async with self._turn, self._writing.connect() as connection:
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    await asyncio.shield(connection.exec_driver_sql("ROLLBACK"))
                    raise
                await connection.exec_driver_sql("COMMIT")


_COLUMNS = select(records.c.key, records.c.revision, records.c.data, records.c.words)


def _matching(kind: str, wanted: frozenset[str]) -> Select[Any]:
    """Return the query for records of a kind that have all the words."""
    query = _COLUMNS.where(records.c.kind == kind)
    if not wanted:
        return query
    keys = (
        select(terms.c.key)
        .where(terms.c.kind == kind, terms.c.term.in_(sorted(wanted)))
        .group_by(terms.c.key)
        .having(func.count() == len(wanted))
    )
    return query.where(records.c.key.in_(keys))


def _record(kind: str, row: Row[Any]) -> Record:
    return Record(kind=kind, key=row[0], revision=row[1], data=row[2], terms=frozenset(row[3]))


async def _change(connection: AsyncConnection, change: Put | Remove) -> Record | None:
    here = and_(records.c.kind == change.kind, records.c.key == change.key)
    row = (await connection.execute(select(records.c.revision, records.c.words).where(here))).one_or_none()
    found = ABSENT if row is None else row[0]
    if change.expect is not None and change.expect != found:
        raise revision_conflict(change, found)
    if isinstance(change, Remove):
        await connection.execute(delete(records).where(here))
        return None
    words = sorted(change.terms)
    values = {"revision": found + 1, "data": change.data, "words": words}
    if row is None:
        await connection.execute(insert(records).values(kind=change.kind, key=change.key, **values))
    else:
        await connection.execute(update(records).where(here).values(**values))
    if words != (row[1] if row else []):
        await _index(connection, change, words)
    return Record(
        kind=change.kind, key=change.key, revision=found + 1, data=change.data, terms=frozenset(words)
    )


async def _index(connection: AsyncConnection, change: Put, words: list[str]) -> None:
    """Replace the words that a record is found by."""
    await connection.execute(delete(terms).where(terms.c.kind == change.kind, terms.c.key == change.key))
    if words:
        rows = [{"kind": change.kind, "term": word, "key": change.key} for word in words]
        await connection.execute(insert(terms), rows)


if TYPE_CHECKING:
    _: type[Store] = SqlStore
