"""Offers the store ``sql``; SQLAlchemy is imported when it is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from devbench_core.contracts.provider import Diagnosis, OpenContext, Provider
from devbench_core.contracts.store import Store
from devbench_core.hookspecs import hookimpl
from devbench_store_sql.settings import SqlSettings

Opened = Callable[[SqlSettings, Path], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def open_store(settings: SqlSettings, context: OpenContext) -> AsyncGenerator[Store, None]:
    """Open the database, migrating it first."""
    opened = await asyncio.to_thread(_opened)  # importing takes a third of a second, so not on the loop
    async with opened(settings, context.state_dir) as store:
        yield store


async def diagnose(settings: SqlSettings, context: OpenContext) -> Diagnosis:
    """Look at the file without changing it."""
    return await asyncio.to_thread(_look, settings, context.state_dir)


def _opened() -> Opened:
    from devbench_store_sql.opening import opened

    return opened


def _look(settings: SqlSettings, state_dir: Path) -> Diagnosis:
    from devbench_store_sql.diagnosis import look

    return look(settings, state_dir)


class SqlPlugin:
    """The plugin object."""

    @hookimpl
    def devbench_stores(self) -> Sequence[Provider[Store]]:
        """Offer ``sql``."""
        return [Provider(name="sql", settings=SqlSettings, open=open_store, diagnose=diagnose)]


plugin = SqlPlugin()
