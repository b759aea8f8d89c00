"""Brings a database to this program's schema. Blocking: to be run in a thread."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from devbench_store_sql.engines import writer
from devbench_store_sql.failures import StoreUnusable, is_busy
from devbench_store_sql.settings import SqlSettings

HEAD = "0001"
"""The schema of this program; the last of the folder ``migrations`` (a test compares)."""
SCRIPTS = Path(__file__).parent / "migrations"
RETRY_S = 0.02
_ALEMBIC = threading.Lock()
"""Alembic keeps the migration that runs in variables of its modules: one at a time in a process, or they use each
other's connections."""


def migrate(path: Path, settings: SqlSettings) -> None:
    """Upgrade in one transaction that keeps other writers out: a second process waits, then finds nothing to do.

    A process that is killed in the middle leaves the old schema.

    Raises:
        StoreUnusable: The database was written by a newer program.
        SQLAlchemyError: The database cannot be read or written.
    """
    engine = writer(path, settings, busy_timeout_s=settings.migration_timeout_s)
    try:
        _switch_to_wal(engine, settings.migration_timeout_s)
        with engine.begin() as connection:
            _upgrade(connection, path)
    finally:
        engine.dispose()


def _upgrade(connection: Connection, path: Path) -> None:
    present = _present(connection)
    if present == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise StoreUnusable(
            f"store {str(path)!r} has schema {present!r}, and this program knows none after {HEAD!r}",
            hint="a newer devbench-store-sql wrote it: upgrade this one, or name another file in plugin.sql.url",
        )
    config.attributes["connection"] = connection
    with _ALEMBIC:
        command.upgrade(config, "head")


def _present(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _switch_to_wal(engine: Engine, timeout_s: float) -> None:
    """Turn the write-ahead log on, which is remembered in the file.

    Two processes that do it at once are told "locked" without being made to wait, hence the loop.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection = engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
            finally:
                connection.close()
        except Exception as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        else:
            return
        time.sleep(RETRY_S)
