"""Opens a PostgreSQL database: its migrations, its readers and its writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from devbench_store_sql.closing import closed_whole
from devbench_store_sql.postgres.address import address_of
from devbench_store_sql.postgres.connections import Readers, connect
from devbench_store_sql.postgres.failures import Errors, failure
from devbench_store_sql.postgres.migrate import migrate
from devbench_store_sql.postgres.store import PostgresStore
from devbench_store_sql.postgres.writer import Writer
from devbench_store_sql.settings import SqlSettings


@asynccontextmanager
async def opened(settings: SqlSettings) -> AsyncGenerator[PostgresStore, None]:
    """Open, migrate, and close at the end, after the writes that wait.

    Raises:
        StoreFailed: The server cannot be reached, refuses, or has a database newer than this program.
        ConfigurationInvalid: The URL cannot be used.
    """
    address = address_of(settings)
    connection = await connect(settings, address)
    try:
        await migrate(connection, settings, address.shown)
    except Errors as error:
        raise failure(address.shown, error) from error
    finally:
        with suppress(*Errors):
            await connection.close(timeout=settings.connect_timeout_s)
    async with closed_whole() as stack:
        readers = Readers(settings, address)
        await readers.open()
        stack.push_async_callback(readers.close)
        writer = Writer(settings, address)
        task = asyncio.create_task(writer.run(), name="store writer")  # owned by this block: see _finish
        stack.push_async_callback(_finish, writer, task)
        yield PostgresStore(readers, writer, settings, address)


async def _finish(writer: Writer, task: asyncio.Task[None]) -> None:
    """Wait until the writes that are queued are done."""
    if not task.done():
        await writer.close()
    await task
