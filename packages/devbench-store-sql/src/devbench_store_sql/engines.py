"""Engines: what every connection is told first, and how its transactions begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from devbench_store_sql.place import url_of
from devbench_store_sql.settings import SqlSettings

WAL_KEPT_BYTES = 64 * 1024 * 1024
"""What is left of the write-ahead log's file after a burst."""


def reader(path: Path, settings: SqlSettings) -> AsyncEngine:
    """Return the engine for reading: no transactions, since each read is one statement."""
    engine = create_async_engine(
        url_of(path, "sqlite+aiosqlite"),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout_s,
        pool_reset_on_return=None,
        isolation_level="AUTOCOMMIT",
    )
    _tell(engine.sync_engine, settings.busy_timeout_s, settings, "query_only = ON")
    return engine


def writer(path: Path, settings: SqlSettings) -> AsyncEngine:
    """Return the engine for writing: one connection, whose transactions keep other writers out from their start."""
    engine = create_async_engine(url_of(path, "sqlite+aiosqlite"), pool_size=1, max_overflow=0)
    _tell(engine.sync_engine, settings.busy_timeout_s, settings)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def migrator(path: Path, settings: SqlSettings) -> Engine:
    """Return an engine for migrations, to be used in a thread."""
    engine = create_engine(url_of(path, "sqlite"), poolclass=NullPool)
    _tell(engine, settings.migration_timeout_s, settings)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _tell(engine: Engine, busy_timeout_s: float, settings: SqlSettings, *more: str) -> None:
    pragmas = (
        f"busy_timeout = {int(busy_timeout_s * 1000)}",
        f"synchronous = {settings.synchronous.upper()}",
        "foreign_keys = ON",
        f"cache_size = -{settings.cache_kib}",
        f"journal_size_limit = {WAL_KEPT_BYTES}",
        *more,
    )

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 begins nothing by itself
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine, "connect", connected)
