"""Connections: what every one of them is told first."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from devbench_store_sql.settings import SqlSettings

WAL_KEPT_BYTES = 64 * 1024 * 1024
"""What is left of the write-ahead log's file after a burst."""

LOG_PAGES_MAX = 16 * 1024
"""At so many pages of that log, 64 MiB, a commit copies them itself: `Checkpoints` fails, or a reader is slow."""


def reader(path: Path, settings: SqlSettings) -> sqlite3.Connection:
    """Return a connection for reading: no transactions, since each read is one statement."""
    return _connected(path, settings, settings.busy_timeout_s, "query_only = ON")


def writer(path: Path, settings: SqlSettings, *, busy_timeout_s: float) -> sqlite3.Connection:
    """Return a connection for writing; `begin` begins its transactions."""
    return _connected(path, settings, busy_timeout_s)


def begin(connection: sqlite3.Connection) -> None:
    """Begin a transaction that keeps other writers out from its start."""
    connection.execute("BEGIN IMMEDIATE")


def _connected(path: Path, settings: SqlSettings, busy_timeout_s: float, *more: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)  # the driver begins nothing by itself
    pragmas = (
        f"busy_timeout = {int(busy_timeout_s * 1000)}",
        f"synchronous = {settings.synchronous.upper()}",
        "foreign_keys = ON",
        f"cache_size = -{settings.cache_kib}",
        f"journal_size_limit = {WAL_KEPT_BYTES}",
        f"wal_autocheckpoint = {LOG_PAGES_MAX}",
        *more,
    )
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection
