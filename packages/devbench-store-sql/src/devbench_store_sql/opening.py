"""Opens a database: its folder, its pragmas, its migrations, its engines for reading and writing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from devbench_core.errors import ConfigurationInvalid
from devbench_store_sql.failures import translated
from devbench_store_sql.migrate import migrate
from devbench_store_sql.settings import SqlSettings
from devbench_store_sql.store import SqlStore

FILE_NAME = "devbench.db"
FILE_MODE = 0o600


def url_of(settings: SqlSettings, state_dir: Path) -> URL:
    """Return the database's URL.

    Raises:
        ConfigurationInvalid: It is no URL, or not one of SQLite.
    """
    if settings.url is None:
        return URL.create("sqlite+aiosqlite", database=str(state_dir / FILE_NAME))
    try:
        url = make_url(settings.url.get_secret_value())
    except ArgumentError as error:
        raise ConfigurationInvalid("plugin.sql.url is no SQLAlchemy URL") from error
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        raise ConfigurationInvalid(
            f"plugin.sql.url: {url.drivername!r} is not supported; only SQLite files are",
            hint="sqlite+aiosqlite:////var/lib/devbench/devbench.db",
        )
    return url.set(drivername="sqlite+aiosqlite")


@asynccontextmanager
async def opened(settings: SqlSettings, state_dir: Path) -> AsyncGenerator[SqlStore, None]:
    """Open, migrate, and close at the end.

    Raises:
        StoreFailed: The database is damaged, read-only, full, or newer than this program.
        ConfigurationInvalid: The URL cannot be used.
    """
    url = url_of(settings, state_dir)
    path = Path(str(url.database))
    with translated(path):
        await asyncio.to_thread(_prepare, path)
        await asyncio.to_thread(migrate, path, settings.migration_timeout_s)
    reading = _engine(url, settings, size=settings.pool_size)
    writing = _engine(url, settings, size=1)
    try:
        yield SqlStore(reading, writing, path)
    finally:
        await reading.dispose()
        await writing.dispose()


def _prepare(path: Path) -> None:
    """Make folder and file private before anything is written into them."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        path.touch(mode=FILE_MODE)


def _engine(url: URL, settings: SqlSettings, *, size: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout_s,
        pool_reset_on_return=None,  # every transaction is ended by us
        isolation_level="AUTOCOMMIT",
    )

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun by us, as IMMEDIATE where they write
        cursor: sqlite3.Cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {int(settings.busy_timeout_s * 1000)}",
            "journal_mode = WAL",
            f"synchronous = {settings.synchronous.upper()}",
            "foreign_keys = ON",
            f"cache_size = -{settings.cache_kib}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", connected)
    return engine
