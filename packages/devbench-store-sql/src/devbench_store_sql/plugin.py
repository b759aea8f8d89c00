"""Offers the store and the lock ``sql``; what they are made of is imported when they are opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from devbench_core.clock import Clock
from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import Diagnosis, OpenContext, Provider
from devbench_core.contracts.store import Store
from devbench_core.hookspecs import hookimpl
from devbench_store_sql.settings import SqlSettings

if TYPE_CHECKING:
    from devbench_core.contracts.store_powers import Maintenance

Opened = Callable[[SqlSettings, Path], AbstractAsyncContextManager[Store]]
OpenedLock = Callable[[SqlSettings, Path, Clock], AbstractAsyncContextManager[Lock]]


@asynccontextmanager
async def open_store(settings: SqlSettings, context: OpenContext) -> AsyncGenerator[Store, None]:
    """Open the database, migrating it first."""
    opened = await asyncio.to_thread(_opened, settings)  # importing is not for the loop
    async with opened(settings, context.state_dir) as store:
        yield store


@asynccontextmanager
async def open_lock(settings: SqlSettings, context: OpenContext) -> AsyncGenerator[Lock, None]:
    """Open the lock in the database, migrating it first."""
    opened = await asyncio.to_thread(_opened_lock, settings)
    async with opened(settings, context.state_dir, context.clock) as lock:
        yield lock


async def diagnose(settings: SqlSettings, context: OpenContext) -> Diagnosis:
    """Look at the database without changing it."""
    if _is_postgres(settings):
        look = await asyncio.to_thread(_postgres_look)
        return await look(settings)
    return await asyncio.to_thread(_look, settings, context.state_dir)


@asynccontextmanager
async def maintain(settings: SqlSettings, context: OpenContext) -> AsyncGenerator[Maintenance, None]:
    """Give what operators do with the database; nothing is opened or made yet."""
    yield await asyncio.to_thread(_maintenance, settings, context.state_dir)  # importing is not for the loop


def _is_postgres(settings: SqlSettings) -> bool:
    url = "" if settings.url is None else settings.url.get_secret_value()
    return url.startswith("postgres")  # whether it is a sound one is said when it is opened


def _opened(settings: SqlSettings) -> Opened:
    if _is_postgres(settings):
        from devbench_store_sql.postgres.opening import opened as on_postgres

        return lambda settings, _: on_postgres(settings)
    from devbench_store_sql.opening import opened

    return opened


def _opened_lock(settings: SqlSettings) -> OpenedLock:
    if _is_postgres(settings):
        from devbench_store_sql.postgres.lock.opening import opened as on_postgres

        return lambda settings, _, clock: on_postgres(settings, clock)
    from devbench_store_sql.lock import opened

    return opened


def _maintenance(settings: SqlSettings, state_dir: Path) -> Maintenance:
    if _is_postgres(settings):
        from devbench_store_sql.postgres.maintenance import PostgresMaintenance

        return PostgresMaintenance(settings)
    from devbench_store_sql.maintenance import SqliteMaintenance

    return SqliteMaintenance(settings, state_dir)


def _postgres_look() -> Callable[[SqlSettings], Awaitable[Diagnosis]]:
    from devbench_store_sql.postgres.diagnosis import look

    return look


def _look(settings: SqlSettings, state_dir: Path) -> Diagnosis:
    from devbench_store_sql.diagnosis import look

    return look(settings, state_dir)


class SqlPlugin:
    """The plugin object."""

    @hookimpl
    def devbench_stores(self) -> Sequence[Provider[Store]]:
        """Offer ``sql``."""
        sql = Provider(
            name="sql", settings=SqlSettings, open=open_store, diagnose=diagnose, maintain=maintain
        )
        return [sql]

    @hookimpl
    def devbench_locks(self) -> Sequence[Provider[Lock]]:
        """Offer ``sql``."""
        return [Provider(name="sql", settings=SqlSettings, open=open_lock, diagnose=diagnose)]


plugin = SqlPlugin()
