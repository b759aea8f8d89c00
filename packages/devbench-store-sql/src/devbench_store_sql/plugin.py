"""Offers the store ``sql``; SQLAlchemy is imported when it is opened."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from devbench_core.contracts.provider import Diagnosis, OpenContext, Provider
from devbench_core.contracts.store import Store
from devbench_core.errors import DevbenchError
from devbench_core.hookspecs import hookimpl
from devbench_store_sql.settings import SqlSettings


@asynccontextmanager
async def open_store(settings: SqlSettings, context: OpenContext) -> AsyncGenerator[Store, None]:
    """Open the database, migrating it first."""
    from devbench_store_sql.opening import opened

    async with opened(settings, context.state_dir) as store:
        yield store


async def diagnose(settings: SqlSettings, context: OpenContext) -> Diagnosis:
    """Open it once and say what was found."""
    from devbench_store_sql.opening import opened, url_of

    try:
        async with opened(settings, context.state_dir):
            where = url_of(settings, context.state_dir).render_as_string(hide_password=True)
            return Diagnosis(ok=True, summary=f"answers at {where}")
    except DevbenchError as error:
        return Diagnosis(ok=False, summary=str(error))


class SqlPlugin:
    """The plugin object."""

    @hookimpl
    def devbench_stores(self) -> Sequence[Provider[Store]]:
        """Offer ``sql``."""
        return [Provider(name="sql", settings=SqlSettings, open=open_store, diagnose=diagnose)]


plugin = SqlPlugin()
