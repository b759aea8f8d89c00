"""The contract of stores on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING

from devbench_core.contracts.checks import check_after, check_limit, check_name, check_page, check_terms
from devbench_core.contracts.store import Change, LogEntry, Record, RecordPage, Store
from devbench_store_sql.deciding import checked
from devbench_store_sql.postgres import queries
from devbench_store_sql.postgres.address import Address
from devbench_store_sql.postgres.connections import Connection, Readers
from devbench_store_sql.postgres.writer import Writer
from devbench_store_sql.settings import SqlSettings

if TYPE_CHECKING:
    from devbench_core.contracts.store_powers import DumpItem, SupportsDump, SupportsLoad


class PostgresStore:
    """`devbench_core.contracts.store.Store`, shared by any number of hosts.

    Attributes:
        readers: What reads.
        writer: What writes.
    """

    def __init__(self, readers: Readers, writer: Writer, settings: SqlSettings, address: Address) -> None:
        self.readers = readers
        self.writer = writer
        self._settings = settings
        self._address = address

    async def get(self, kind: str, key: str) -> Record | None:
        """Return a record, or None."""
        check_name("kind", kind)
        check_name("key", key)
        return await self.readers.read(partial(queries.get, kind=kind, key=key))

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Do all changes or none."""
        if not changes:
            return ()
        wanted = [checked(change) for change in changes]
        return await self.writer.apply(wanted, sum([each.size for each in wanted]))

    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        """Return a page of records with all the terms, by key."""
        check_name("kind", kind)
        check_page(after, limit)
        wanted = check_terms(terms)
        return await self.readers.read(
            partial(queries.page, kind=kind, terms=wanted, after=after, limit=limit)
        )

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        """Return entries above a seq, rising."""
        check_name("log", log)
        check_limit(limit)
        check_after(after)
        return await self.readers.read(partial(queries.read_log, log=log, after=after, limit=limit))

    async def drop(self, log: str) -> None:
        """Delete a log."""
        check_name("log", log)
        await self.readers.read(partial(_drop, log=log))  # repeated without harm

    def dump(self) -> AbstractAsyncContextManager[AsyncIterator[DumpItem]]:
        """Give everything as it is at one moment."""
        from devbench_store_sql.postgres import dumping

        return dumping.dump(self._settings, self._address)

    async def load(self, items: AsyncIterator[DumpItem], *, replace: bool = False) -> None:
        """Take in all items or nothing."""
        from devbench_store_sql.postgres import dumping

        await dumping.load(self._settings, self._address, items, replace=replace)


async def _drop(connection: Connection, log: str) -> None:
    await connection.execute("DELETE FROM logs WHERE log = $1", log)


if TYPE_CHECKING:
    _: type[Store] = PostgresStore
    _dump: type[SupportsDump] = PostgresStore
    _load: type[SupportsLoad] = PostgresStore
