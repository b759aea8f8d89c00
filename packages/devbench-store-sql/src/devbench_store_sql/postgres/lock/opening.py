"""Opens the lock: the database's tables, a pool, and who listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import asyncpg

from devbench_core.clock import Clock
from devbench_core.finishing import ended
from devbench_core.leases import LeasedLock
from devbench_store_sql.postgres.address import Address, address_of
from devbench_store_sql.postgres.connections import options
from devbench_store_sql.postgres.failures import Errors, lock_failure
from devbench_store_sql.postgres.lock.keeper import PostgresKeeper
from devbench_store_sql.postgres.lock.listening import Listening
from devbench_store_sql.postgres.lock.server import Server
from devbench_store_sql.postgres.lock.statements import FORGET
from devbench_store_sql.postgres.migrate import migrate
from devbench_store_sql.settings import SqlSettings


@asynccontextmanager
async def opened(settings: SqlSettings, clock: Clock) -> AsyncGenerator[LeasedLock, None]:
    """Open a lock for the block.

    Raises:
        ConfigurationInvalid: The URL cannot be used.
        LockFailed: The server cannot be reached, or refuses us.
    """
    address = address_of(settings)
    await _prepare(settings, address)
    async with AsyncExitStack() as stack:
        server = Server(settings, address)
        await server.open()
        stack.push_async_callback(server.close)
        listening = Listening(settings, address)
        task = asyncio.create_task(listening.run(), name="lock wakeups")
        stack.push_async_callback(ended, task)
        yield LeasedLock(PostgresKeeper(server, listening), settings.lock_poll_s, clock)


async def _prepare(settings: SqlSettings, address: Address) -> None:
    """Migrate, and forget keys that nobody wants."""
    try:
        connection = await asyncpg.connect(**options(settings, address))
        try:
            await migrate(connection, settings, address.shown)
            await connection.execute(FORGET)
        finally:
            with suppress(*Errors):
                await connection.close(timeout=settings.connect_timeout_s)
    except (TimeoutError, *Errors) as error:
        raise lock_failure(address.shown, error) from error
