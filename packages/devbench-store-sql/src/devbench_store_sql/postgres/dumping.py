"""Everything that the database holds, out of it and into it, each in one transaction on a connection of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

from devbench_core.contracts.checks import not_empty
from devbench_core.contracts.store_powers import DumpItem
from devbench_core.errors import StoreFailed
from devbench_store_sql.dumping import ENTRIES, RECORDS, TABLES
from devbench_store_sql.dumps import Batch, batches, entries_of, records_of
from devbench_store_sql.postgres.address import Address
from devbench_store_sql.postgres.connections import Connection, connect
from devbench_store_sql.postgres.failures import BROKEN, Errors, failure
from devbench_store_sql.settings import SqlSettings

READ_ROWS = 100
"""What is in memory at a time; an entry of a log has some tens of KiB."""


@asynccontextmanager
async def dump(settings: SqlSettings, address: Address) -> AsyncGenerator[AsyncIterator[DumpItem]]:
    """Give everything as it is now: the transaction sees one moment as long as it lasts.

    Raises:
        StoreFailed: The server cannot be reached, or refuses.
    """
    async with connected(settings, address) as connection:
        transaction = connection.transaction(isolation="repeatable_read", readonly=True)
        await said(address, transaction.start)
        await said(address, lambda: patient(connection, settings))
        await said(address, lambda: connection.execute("SELECT FROM records LIMIT 1"))  # this is the moment
        async with aclosing(_items(connection, settings, address)) as items:
            yield items


async def load(
    settings: SqlSettings, address: Address, items: AsyncIterator[DumpItem], *, replace: bool
) -> None:
    """Take in everything or nothing; other writers wait meanwhile, as long as they have patience.

    Raises:
        Conflict: There is something already.
        ValidationFailed: An item is out of order, or none that a store takes.
        StoreFailed: The server cannot be reached, or refuses.
    """
    async with connected(settings, address) as connection:  # whose closing rolls back what was not committed
        transaction = connection.transaction()
        await said(address, transaction.start)
        await said(address, lambda: patient(connection, settings))
        await said(address, lambda: _make_room(connection, settings, address, replace=replace))
        async with aclosing(batches(items)) as taken:
            async for batch in taken:
                await said(address, lambda batch=batch: _take(connection, batch))
        try:
            await transaction.commit()
        except BROKEN as error:
            raise StoreFailed(
                f"store {address.shown}: the connection broke while committing; outcome unknown",
                hint="`devbench db current` tells whether it is there",
            ) from error
        except Errors as error:
            raise failure(address.shown, error) from error


@asynccontextmanager
async def connected(settings: SqlSettings, address: Address) -> AsyncGenerator[Connection]:
    """Connect for the length of a block.

    Raises:
        StoreFailed: The server cannot be reached, or refuses.
    """
    connection = await connect(settings, address)
    try:
        yield connection
    finally:
        with suppress(*Errors):
            await connection.close(timeout=settings.connect_timeout_s)


async def patient(connection: Connection, settings: SqlSettings) -> None:
    """Let the transaction take as long as maintenance may, also while nobody asks anything of it."""
    milliseconds = int(settings.maintenance_timeout_s * 1000)
    for name in ("idle_in_transaction_session_timeout", "statement_timeout"):
        await connection.execute(f"SET LOCAL {name} = {milliseconds}")


async def said(address: Address, work: Callable[[], Awaitable[Any]]) -> Any:
    """Return what some work gives, with the driver's errors as the store's."""
    try:
        return await work()
    except Errors as error:
        raise failure(address.shown, error) from error


async def _items(connection: Connection, settings: SqlSettings, address: Address) -> AsyncGenerator[DumpItem]:
    timeout_s = settings.maintenance_timeout_s
    for query, items_of in ((RECORDS, records_of), (ENTRIES, entries_of)):
        cursor = await said(address, lambda query=query: connection.cursor(query))
        while rows := await said(address, lambda cursor=cursor: cursor.fetch(READ_ROWS, timeout=timeout_s)):
            for item in items_of([tuple(row) for row in rows]):
                yield item


async def _make_room(
    connection: Connection, settings: SqlSettings, address: Address, *, replace: bool
) -> None:
    timeout_s = settings.maintenance_timeout_s
    await connection.execute("LOCK TABLE records, record_terms, logs IN EXCLUSIVE MODE")
    for table in TABLES:
        if replace:
            await connection.execute(f"DELETE FROM {table}", timeout=timeout_s)  # noqa: S608 - names of ours
        elif await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):  # noqa: S608 - the same
            raise not_empty(address.shown)


async def _take(connection: Connection, batch: Batch) -> None:
    records = [(row.kind, row.key, row.revision, row.data, row.values()["terms"]) for row in batch.rows]
    terms = [(row.kind, term, row.key) for row in batch.rows for term in sorted(row.terms)]
    entries = [(row["log"], row["seq"], row["data"]) for row in batch.entries]
    for table, columns, rows in (
        ("records", ("kind", "key", "revision", "data", "terms"), records),
        ("record_terms", ("kind", "term", "key"), terms),
        ("logs", ("log", "seq", "data"), entries),
    ):
        if rows:
            await connection.copy_records_to_table(table, records=rows, columns=columns)
