"""What operators do with a PostgreSQL database without opening it as a host does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from devbench_core.contracts.store_powers import (
    DumpItem,
    Maintenance,
    StoreState,
    SupportsCheck,
    SupportsDump,
    SupportsUpgrade,
    SupportsVacuum,
)
from devbench_store_sql.audit import FAULTS_MAX, faults_of_logs, faults_of_records
from devbench_store_sql.migrate import HEAD, absent, beyond
from devbench_store_sql.postgres import dumping
from devbench_store_sql.postgres.address import address_of
from devbench_store_sql.postgres.connections import Connection
from devbench_store_sql.postgres.dumping import READ_ROWS, connected, patient, said
from devbench_store_sql.postgres.migrate import migrate, schema_of, usable
from devbench_store_sql.settings import SqlSettings

TABLES = ("records", "record_terms", "logs")
KINDS = "SELECT kind, count(*) FROM records WHERE kind <> '' GROUP BY kind ORDER BY kind"
COUNTS = "SELECT count(DISTINCT log), count(*) FROM logs"
RECORDS = """
SELECT kind, key, revision, data, terms, (
    SELECT coalesce(json_agg(term), '[]')::text FROM record_terms
    WHERE record_terms.kind = records.kind AND record_terms.key = records.key
) FROM records WHERE kind <> ''"""
LOGS = "SELECT log, min(seq) FROM logs GROUP BY log HAVING sum(octet_length(data)) >= 0"  # reads every byte


class PostgresMaintenance:
    """One database; each call connects anew."""

    def __init__(self, settings: SqlSettings) -> None:
        self._settings = settings
        self._address = address_of(settings)

    async def state(self) -> StoreState:
        """Return what it is like."""
        async with connected(self._settings, self._address) as connection:
            return await said(self._address, lambda: self._state(connection))

    async def upgrade(self) -> None:
        """Migrate; the database itself must be there."""
        async with connected(self._settings, self._address) as connection:
            await said(self._address, lambda: migrate(connection, self._settings, self._address.shown))

    async def check(self) -> tuple[str, ...]:
        """Have PostgreSQL read every row, and look at our own rules."""
        async with connected(self._settings, self._address) as connection:
            return await said(self._address, lambda: self._check(connection))

    async def vacuum(self) -> None:
        """Have dead rows' space used again, and the planner's statistics made anew; hosts go on."""
        async with connected(self._settings, self._address) as connection:
            timeout_s = self._settings.maintenance_timeout_s
            limit = f"SET statement_timeout = {int(timeout_s * 1000)}"
            await said(self._address, lambda: self._must_be_usable(connection))
            await said(self._address, lambda: connection.execute(limit))
            for table in TABLES:
                work = f"VACUUM (ANALYZE) {table}"
                await said(self._address, lambda work=work: connection.execute(work, timeout=timeout_s))

    @asynccontextmanager
    async def dump(self) -> AsyncGenerator[AsyncIterator[DumpItem]]:
        """Give everything as it is, also with an older schema, which stays as it is."""
        async with connected(self._settings, self._address) as connection:
            await said(self._address, lambda: self._must_be_usable(connection))
        async with dumping.dump(self._settings, self._address) as items:
            yield items

    async def _must_be_usable(self, connection: Connection) -> None:
        schema = await schema_of(connection)
        if schema is None:
            raise absent(self._address.shown)
        if not await usable(connection, schema):
            raise beyond(self._address.shown, schema)

    async def _state(self, connection: Connection) -> StoreState:
        version = await connection.fetchval("SHOW server_version")
        backend = f"PostgreSQL {version}, {self._address.shown}"
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await patient(connection, self._settings)
            timeout_s = self._settings.maintenance_timeout_s
            schema = await schema_of(connection) or ""
            may_use = not schema or await usable(connection, schema)
            records: dict[str, int] = {}
            counts: Any = (0, 0)
            if schema and may_use:
                rows = await connection.fetch(KINDS, timeout=timeout_s)
                records = {row[0]: row[1] for row in rows}
                counts = await connection.fetchrow(COUNTS, timeout=timeout_s)
            size = await connection.fetchval("SELECT pg_database_size(current_database())")
        return StoreState(
            backend=backend,
            schema=schema,
            wanted=HEAD,
            usable=may_use,
            size_bytes=size,
            records=records,
            logs=counts[0],
            entries=counts[1],
        )

    async def _check(self, connection: Connection) -> tuple[str, ...]:
        schema = await schema_of(connection)
        if schema is None:
            raise absent(self._address.shown)
        if not await usable(connection, schema):
            return (f"schema {schema} is newer than this program can use; its own is {HEAD}",)
        faults: list[str] = []
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await patient(connection, self._settings)
            for query, look in ((RECORDS, faults_of_records), (LOGS, faults_of_logs)):
                cursor = await connection.cursor(query)
                while len(faults) < FAULTS_MAX and (
                    rows := await cursor.fetch(READ_ROWS, timeout=self._settings.maintenance_timeout_s)
                ):
                    faults += islice(look([tuple(row) for row in rows]), FAULTS_MAX - len(faults))
        return tuple(faults)


if TYPE_CHECKING:
    _: type[Maintenance] = PostgresMaintenance
    _upgrade: type[SupportsUpgrade] = PostgresMaintenance
    _check: type[SupportsCheck] = PostgresMaintenance
    _vacuum: type[SupportsVacuum] = PostgresMaintenance
    _dump: type[SupportsDump] = PostgresMaintenance
