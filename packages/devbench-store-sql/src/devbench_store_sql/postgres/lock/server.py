"""The server, as the lock speaks with it: one statement at a time, with bounds and retries."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from devbench_core.errors import LockFailed
from devbench_core.finishing import GRACE_S, finished
from devbench_store_sql.postgres.address import Address
from devbench_store_sql.postgres.connections import PAUSE_MAX_S, PAUSE_S, closed, keep, options
from devbench_store_sql.postgres.failures import ANEW, BROKEN, Errors, lock_failure
from devbench_store_sql.settings import SqlSettings

CANCEL_S = 1.0
"""How long a connection may take to end a statement that took too long; then it is closed."""


class Server:
    """A pool of connections for locks alone: they wait for no reader of the store."""

    def __init__(self, settings: SqlSettings, address: Address) -> None:
        self._settings = settings
        self._shown = address.shown
        self._limit_s = settings.lock_timeout_s
        self._free = asyncio.Semaphore(settings.lock_pool_size)
        self._pool = asyncpg.create_pool(
            **options(settings, address),
            min_size=0,
            max_size=settings.lock_pool_size,
            max_inactive_connection_lifetime=settings.pool_recycle_s,
            reset=keep,
        )

    async def open(self) -> None:
        """Make the pool ready."""
        await self._pool

    async def close(self) -> None:
        """Close all connections, waiting no longer than for one answer."""
        await closed(self._pool, self._limit_s)

    async def run(
        self,
        statement: str,
        *arguments: object,
        limit_s: float | None = None,
        retries: int | None = None,
        grace_s: float = GRACE_S,
    ) -> asyncpg.Record | None:
        """Return the row of a statement that may be repeated when its answer was lost.

        When the caller is cancelled, a try that is under way comes to its end first.

        Args:
            statement: Which.
            arguments: Its arguments.
            limit_s: How long one try may take at most, less than the settings allow.
            retries: How often to try again at most, instead of the settings' number.
            grace_s: For how long at most a try comes to its end.

        Raises:
            LockFailed: The server did not answer, or refused.
        """
        left = self._settings.retries if retries is None else retries
        limit_s = min(limit_s or self._limit_s, self._limit_s)
        pause_s = PAUSE_S
        while True:
            try:
                return await finished(self._try(statement, arguments, limit_s), grace_s)
            except Errors as error:
                if left == 0 or not isinstance(error, (*ANEW, *BROKEN)):
                    raise lock_failure(self._shown, error) from error
            left -= 1
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    async def _try(
        self, statement: str, arguments: tuple[object, ...], limit_s: float
    ) -> asyncpg.Record | None:
        await self._turn()
        try:
            async with asyncio.timeout(limit_s):
                connection: Any = await self._pool.acquire()
                try:
                    return await connection.fetchrow(statement, *arguments)
                finally:
                    await self._pool.release(connection, timeout=CANCEL_S)
        finally:
            self._free.release()

    async def _turn(self) -> None:
        timeout_s = self._limit_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise LockFailed(
                f"lock {self._shown}: no connection was free within {timeout_s:g} s",
                hint="raise plugin.sql.lock_pool_size or plugin.sql.lock_timeout_s",
            ) from error
