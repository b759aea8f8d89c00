"""The store on SQL: one writer at a time, any number of readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Connection, bindparam, delete
from sqlalchemy.dialects.sqlite import insert as insert_or_skip
from sqlalchemy.ext.asyncio import AsyncEngine

from devbench_core.contracts.checks import (
    check_after,
    check_entry,
    check_limit,
    check_name,
    check_page,
    check_terms,
)
from devbench_core.contracts.store import LogEntry, Put, Record, RecordPage, Remove, Store
from devbench_store_sql import changes as record_changes
from devbench_store_sql import queries
from devbench_store_sql.failures import translated
from devbench_store_sql.patience import patiently
from devbench_store_sql.tables import logs
from devbench_store_sql.writer import Writer

T = TypeVar("T")


class SqlStore:
    """The contract `devbench_core.contracts.store.Store` on SQLite."""

    def __init__(self, reading: AsyncEngine, writer: Writer, path: Path, *, busy_timeout_s: float) -> None:
        self._reading = reading
        self._writer = writer
        self._path = path
        self._busy_timeout_s = busy_timeout_s

    async def get(self, kind: str, key: str) -> Record | None:
        """Return a record, or None."""
        check_name("kind", kind)
        check_name("key", key)
        return await self._read(partial(queries.get, kind=kind, key=key))

    async def apply(self, *changes: Put | Remove) -> tuple[Record | None, ...]:
        """Do all changes or none."""
        if not changes:
            return ()
        wanted = [record_changes.checked(change) for change in changes]
        return await self._writer.do(partial(record_changes.apply, changes=wanted))

    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        """Return a page of records with all the terms, by key."""
        check_name("kind", kind)
        check_page(after, limit)
        wanted = check_terms(terms)
        return await self._read(partial(queries.page, kind=kind, terms=wanted, after=after, limit=limit))

    async def append(self, log: str, entries: Sequence[LogEntry]) -> None:
        """Add entries; those that are there already are skipped."""
        check_name("log", log)
        rows: list[dict[str, object]] = [
            {"log": log, "seq": check_entry(entry).seq, "data": entry.data} for entry in entries
        ]
        if rows:
            await self._writer.do(partial(_append, rows=rows))

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        """Return entries above a seq, rising."""
        check_name("log", log)
        check_limit(limit)
        check_after(after)
        return await self._read(partial(queries.read_log, log=log, after=after, limit=limit))

    async def drop(self, log: str) -> None:
        """Delete a log."""
        check_name("log", log)
        await self._writer.do(partial(_drop, log=log))

    async def _read(self, query: Callable[[Connection], T]) -> T:
        async def attempt() -> T:
            async with self._reading.connect() as connection:
                return await connection.run_sync(query)

        with translated(self._path):
            return await patiently(attempt, self._busy_timeout_s)


def _append(connection: Connection, rows: list[dict[str, object]]) -> None:
    connection.execute(_APPEND, rows)


def _drop(connection: Connection, log: str) -> None:
    connection.execute(_DROP, {"log_name": log})


_APPEND = insert_or_skip(logs).on_conflict_do_nothing()
_DROP = delete(logs).where(logs.c.log == bindparam("log_name"))

if TYPE_CHECKING:
    _: type[Store] = SqlStore
