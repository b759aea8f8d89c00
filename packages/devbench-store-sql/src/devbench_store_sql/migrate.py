"""Brings a database to this program's schema, or works with a newer one that allows it. To be run in a thread.

Hosts of two versions share a database while they are replaced one after the other. So each schema says which is the
oldest whose code still works with it, in the table ``schema_rule``: a step *expands* (tables, columns with a default
or without a value, indexes) and keeps the rule, and what nobody needs any more goes with a step a release later, which
raises it. Who is older than the rule is refused; who is not, and is older than the schema, uses what it knows. Versions
have four digits and are in the order of text.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from devbench_store_sql import connections
from devbench_store_sql.failures import StoreUnusable, is_busy
from devbench_store_sql.settings import SqlSettings

HEAD = "0003"
"""The schema of this program; the last of the folder ``migrations`` (a test compares)."""
RETRY_S = 0.02


def migrate(path: Path, settings: SqlSettings) -> None:
    """Upgrade the database where it is older; what that takes is imported only then.

    Raises:
        StoreUnusable: The database is newer, and no longer for this program.
        sqlite3.Error: The database cannot be read or written.
    """
    with closing(
        connections.writer(path, settings, busy_timeout_s=settings.migration_timeout_s)
    ) as connection:
        _switch_to_wal(connection, settings.migration_timeout_s)
        present = schema_of(connection)
        if present is not None and present >= HEAD:
            if not usable(connection, present):
                raise beyond(repr(str(path)), present)
            return
    from devbench_store_sql.upgrade import upgrade

    upgrade(path, settings)


def schema_of(connection: sqlite3.Connection) -> str | None:
    """Return the schema that a database says it has, None for a new one."""
    tables = "SELECT name FROM sqlite_master WHERE name = 'alembic_version'"
    if not connection.execute(tables).fetchall():
        return None
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if found is None else str(found[0])


def usable(connection: sqlite3.Connection, schema: str) -> bool:
    """Tell whether this program may work with a schema: its own, an older one, or a newer one that allows it."""
    return schema <= HEAD or (_oldest(connection) or schema) <= HEAD


def beyond(shown: str, schema: str) -> StoreUnusable:
    """Return the error for a database that is newer, and no longer for this program."""
    return StoreUnusable(
        f"store {shown} has schema {schema!r}, and this program knows {HEAD!r} and cannot use it any more",
        hint="a newer devbench-store-sql wrote it: upgrade this one, or name another database in plugin.sql.url",
    )


def absent(shown: str) -> StoreUnusable:
    """Return the error for a database that nobody made yet."""
    return StoreUnusable(
        f"store {shown}: nothing is there", hint="`devbench db upgrade` makes it; or see plugin.sql.url"
    )


def _oldest(connection: sqlite3.Connection) -> str | None:
    if not connection.execute("SELECT * FROM sqlite_master WHERE name = 'schema_rule'").fetchall():
        return None
    found = connection.execute("SELECT max(oldest) FROM schema_rule").fetchone()
    return None if found[0] is None else str(found[0])


def _switch_to_wal(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Turn the write-ahead log on, which is remembered in the file.

    Two processes that do it at once are told "locked" without being made to wait, hence the loop.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.Error as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        else:
            return
        time.sleep(RETRY_S)
