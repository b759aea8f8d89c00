"""Connections to PostgreSQL: a pool for reading, and single ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
from asyncpg.exceptions import QueryCanceledError

from devbench_core.errors import StoreFailed
from devbench_store_sql.postgres.address import Address
from devbench_store_sql.postgres.failures import ANEW, BROKEN, Errors, failure
from devbench_store_sql.postgres.metrics import CONNECTS, POOLS, RETRIES, waiting
from devbench_store_sql.settings import SqlSettings

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

T = TypeVar("T")
PAUSE_S = 0.05
"""Before an attempt on a new connection; each further one waits twice as long, up to `PAUSE_MAX_S`."""
PAUSE_MAX_S = 2.0
IDLE_IN_TRANSACTION_S = 30
"""A host that stalls in a transaction holds up the others no longer."""


def options(settings: SqlSettings, address: Address) -> dict[str, Any]:
    """Return what every connection is told first."""
    milliseconds = str(int(settings.statement_timeout_s * 1000))
    return {
        "dsn": address.dsn,
        "timeout": settings.connect_timeout_s,
        "command_timeout": settings.statement_timeout_s,
        "server_settings": {
            "application_name": "devbench",
            "default_transaction_isolation": "read committed",  # each statement sees what others committed before it
            "statement_timeout": milliseconds,
            "lock_timeout": str(int(settings.busy_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_S * 1000),
        },
    }


async def connect(settings: SqlSettings, address: Address) -> Connection:
    """Open one connection.

    Raises:
        StoreFailed: The server cannot be reached, or refuses.
    """
    try:
        return await asyncpg.connect(**options(settings, address))
    except Errors as error:
        raise failure(address.shown, error) from error


async def closed(pool: Any, limit_s: float) -> None:
    """Close a pool after what is under way; what breaks meanwhile, or takes longer than ``limit_s``, is cut."""
    try:
        async with asyncio.timeout(limit_s):
            await pool.close()
    except Errors:  # also of time: a pool that could not close has ended its connections
        pool.terminate()


class Readers:
    """A pool whose reads are repeated on another connection when theirs breaks."""

    def __init__(self, settings: SqlSettings, address: Address) -> None:
        self._settings = settings
        self._address = address
        self._pool = asyncpg.create_pool(
            **options(settings, address),
            min_size=0,
            max_size=settings.pool_size + settings.pool_overflow,
            max_inactive_connection_lifetime=settings.pool_recycle_s,
            setup=_ping if settings.pool_pre_ping else None,
            init=_count,
            reset=keep,
        )
        POOLS.add(self)

    @property
    def size(self) -> int:
        """How many connections are open."""
        return self._pool.get_size()

    @property
    def in_use(self) -> int:
        """How many of them a read has."""
        return self._pool.get_size() - self._pool.get_idle_size()

    async def open(self) -> None:
        """Make the pool ready; it connects when it is used."""
        await self._pool

    async def close(self) -> None:
        """Close all connections after the reads under way, but wait no longer than for one of them."""
        await closed(self._pool, self._settings.statement_timeout_s)

    async def read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        """Return what a query gives.

        Raises:
            StoreFailed: No connection was free in time, or the database cannot be read.
        """
        return await anew(lambda: self._attempt(query), self._settings, self._address.shown)

    async def _attempt(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            with waiting():
                connection = await self._pool.acquire(timeout=self._settings.pool_timeout_s)
        except TimeoutError as error:
            if self._pool.get_size() < self._pool.get_max_size():
                raise  # it was connecting that took so long
            raise StoreFailed(
                f"store {self._address.shown}: no connection was free within {self._settings.pool_timeout_s:g} s",
                hint="raise plugin.sql.pool_size",
            ) from error
        try:
            return await query(connection)  # pyright: ignore[reportArgumentType] - a proxy of one
        finally:
            await self._pool.release(connection)


async def anew(attempt: Callable[[], Awaitable[T]], settings: SqlSettings, shown: str) -> T:
    """Return what an attempt gives, repeating it where another was in its way or the connection broke.

    Args:
        attempt: What has done nothing when it fails in one of these ways.
        settings: How often it is repeated; none begins once a statement's time is over.
        shown: The store, as messages name it.

    Raises:
        StoreFailed: The last attempt failed.
    """
    pause_s = PAUSE_S
    deadline = asyncio.get_running_loop().time() + settings.statement_timeout_s
    for left in range(settings.retries, -1, -1):
        try:
            return await attempt()
        except Errors as error:
            late = left == 0 or asyncio.get_running_loop().time() >= deadline
            if late or not isinstance(error, (*ANEW, *BROKEN)) or isinstance(error, QueryCanceledError):
                raise failure(shown, error) from error
            is_broken = isinstance(error, BROKEN)
        RETRIES.labels("broken" if is_broken else "conflict").inc()
        if is_broken:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
    raise AssertionError("the last attempt returns or raises")


async def _count(connection: Any) -> None:
    _ = connection
    CONNECTS.labels("read").inc()


async def _ping(connection: Any) -> None:
    await connection.execute("")


async def keep(connection: Any) -> None:
    """Change nothing: no read leaves anything behind, and resetting would be a second statement after each."""
    _ = connection
