"""What operators do with an SQLite database without opening it as a host does."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from devbench_core.contracts.store_powers import (
    DumpItem,
    Maintenance,
    StoreState,
    SupportsCheck,
    SupportsDump,
    SupportsUpgrade,
    SupportsVacuum,
)
from devbench_store_sql import connections, dumping
from devbench_store_sql.audit import FAULTS_MAX, faults_of_logs, faults_of_records
from devbench_store_sql.failures import translated
from devbench_store_sql.migrate import HEAD, absent, beyond, migrate, schema_of, usable
from devbench_store_sql.place import file_of, prepare
from devbench_store_sql.settings import SqlSettings

T = TypeVar("T")
BESIDE = ("", "-wal", "-shm")
"""The files that a database has."""
RECORDS = """
SELECT kind, key, revision, data, terms, (
    SELECT json_group_array(term) FROM record_terms
    WHERE record_terms.kind = records.kind AND record_terms.key = records.key
) FROM records WHERE kind <> ''"""
LOGS = "SELECT log, min(seq) FROM logs GROUP BY log"


class SqliteMaintenance:
    """One database; each call connects anew, in a thread."""

    def __init__(self, settings: SqlSettings, state_dir: Path) -> None:
        self._settings = settings
        self._state_dir = state_dir

    async def state(self) -> StoreState:
        """Return what it is like; where it is not there nothing is made."""
        return await self._in_thread(self._state)

    async def upgrade(self) -> None:
        """Migrate, making the database where it is not there."""
        await self._in_thread(self._upgrade, timeout="migration_timeout_s")

    async def check(self) -> tuple[str, ...]:
        """Have SQLite look through all pages, and look at our own rules."""
        return await self._in_thread(self._check)

    async def vacuum(self) -> None:
        """Write the file anew without what is empty in it, and empty its log."""
        await self._in_thread(self._vacuum)

    @asynccontextmanager
    async def dump(self) -> AsyncGenerator[AsyncIterator[DumpItem]]:
        """Give everything as it is, also with an older schema, which stays as it is."""
        path = await self._in_thread(self._dumpable)
        async with dumping.dump(self._settings, path) as items:
            yield items

    async def _in_thread(self, work: Callable[[Path], T], *, timeout: str = "busy_timeout_s") -> T:
        path = file_of(self._settings, self._state_dir)
        with translated(path, timeout=timeout):
            return await asyncio.to_thread(work, path)

    def _state(self, path: Path) -> StoreState:
        sizes = [file.stat().st_size for end in BESIDE if (file := Path(f"{path}{end}")).exists()]
        backend = f"SQLite {sqlite3.sqlite_version} at {str(path)!r}"
        if not sum(sizes):
            return StoreState(backend=backend, schema="", wanted=HEAD, usable=True, size_bytes=0)
        with closing(_reader(path, self._settings)) as connection:
            schema = schema_of(connection) or ""
            may_use = not schema or usable(connection, schema)
            counted = schema and may_use
            kinds = "SELECT kind, count(*) FROM records WHERE kind <> '' GROUP BY kind ORDER BY kind"
            records = dict(connection.execute(kinds).fetchall()) if counted else {}
            logs = "SELECT count(DISTINCT log), count(*) FROM logs"
            found = connection.execute(logs).fetchone() if counted else (0, 0)
        return StoreState(
            backend=backend,
            schema=schema,
            wanted=HEAD,
            usable=may_use,
            size_bytes=sum(sizes),
            records=records,
            logs=found[0],
            entries=found[1],
        )

    def _upgrade(self, path: Path) -> None:
        prepare(path)
        migrate(path, self._settings)

    def _dumpable(self, path: Path) -> Path:
        with closing(_reader(_present(path), self._settings)) as connection:
            schema = schema_of(connection)
            if schema is None:
                raise absent(repr(str(path)))
            if not usable(connection, schema):
                raise beyond(repr(str(path)), schema)
        return path

    def _check(self, path: Path) -> tuple[str, ...]:
        with closing(_reader(_present(path), self._settings)) as connection:
            connection.execute("BEGIN")
            return tuple(islice(_faults(connection), FAULTS_MAX))

    def _vacuum(self, path: Path) -> None:
        timeout_s = self._settings.busy_timeout_s
        with closing(
            connections.writer(_present(path), self._settings, busy_timeout_s=timeout_s)
        ) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # as far as readers let it


def _reader(path: Path, settings: SqlSettings) -> sqlite3.Connection:
    """Connect so that nothing can be changed, nor a file be made."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=settings.busy_timeout_s, isolation_level=None)


def _present(path: Path) -> Path:
    if not path.exists() or not path.stat().st_size:
        raise absent(repr(str(path)))
    return path


def _faults(connection: sqlite3.Connection) -> Iterator[str]:
    """Say what is wrong; damage that keeps SQLite from going on is the last of it."""
    try:
        for (said,) in connection.execute(f"PRAGMA integrity_check({FAULTS_MAX})"):
            if said != "ok":
                yield f"SQLite: {said}"
        schema = schema_of(connection)
        if schema is None:
            return
        if not usable(connection, schema):
            yield f"schema {schema} is newer than this program can use; its own is {HEAD}"
            return
        yield from _rows(connection)
    except sqlite3.DatabaseError as error:
        yield f"SQLite: {error}"


def _rows(connection: sqlite3.Connection) -> Iterable[str]:
    orphans = (
        f"{table} row {row}: what it belongs to is not there"
        for table, row, _, _ in connection.execute("PRAGMA foreign_key_check")
    )
    return chain(
        orphans,
        faults_of_records(connection.execute(RECORDS)),
        faults_of_logs(connection.execute(LOGS)),
    )


if TYPE_CHECKING:
    _: type[Maintenance] = SqliteMaintenance
    _upgrade: type[SupportsUpgrade] = SqliteMaintenance
    _check: type[SupportsCheck] = SqliteMaintenance
    _vacuum: type[SupportsVacuum] = SqliteMaintenance
    _dump: type[SupportsDump] = SqliteMaintenance
