"""Engines: what every connection is told first, and how its transactions begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from devbench_store_sql.settings import SqlSettings

WAL_KEPT_BYTES = 64 * 1024 * 1024
"""What is left of the write-ahead log's file after a burst."""

LOG_PAGES_MAX = 16 * 1024
"""At so many pages of that log, 64 MiB, a commit copies them itself: `Checkpoints` fails, or a reader is slow."""


def reader(path: Path, settings: SqlSettings) -> Engine:
    """Return the engine for reading: no transactions, since each read is one statement."""
    engine = _engine(path, settings, settings.busy_timeout_s, "query_only = ON")
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def writer(path: Path, settings: SqlSettings, *, busy_timeout_s: float) -> Engine:
    """Return an engine for writing, whose transactions keep other writers out from their start."""
    engine = _engine(path, settings, busy_timeout_s)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _engine(path: Path, settings: SqlSettings, busy_timeout_s: float, *more: str) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)
    pragmas = (
        f"busy_timeout = {int(busy_timeout_s * 1000)}",
        f"synchronous = {settings.synchronous.upper()}",
        "foreign_keys = ON",
        f"cache_size = -{settings.cache_kib}",
        f"journal_size_limit = {WAL_KEPT_BYTES}",
        f"wal_autocheckpoint = {LOG_PAGES_MAX}",
        *more,
    )

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # sqlite3 begins nothing by itself
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine, "connect", connected)
    return engine
