"""Runs the migrations that a database lacks, through Alembic and SQLAlchemy. Blocking: to be run in a thread."""

from __future__ import annotations

import io
import sqlite3
import threading
from functools import partial
from pathlib import Path
from typing import Any, cast

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from devbench_store_sql import connections
from devbench_store_sql.failures import StoreUnusable
from devbench_store_sql.migrate import HEAD, beyond, schema_of, usable
from devbench_store_sql.settings import SqlSettings

SCRIPTS = Path(__file__).parent / "migrations"
ALEMBIC = threading.Lock()
"""Alembic keeps the migration that runs in variables of its modules: one at a time in a process, or they use each
other's connections."""


def upgrade(path: Path, settings: SqlSettings) -> None:
    """Upgrade in one transaction that keeps other writers out: a second process waits, then finds nothing to do.

    A process that is killed in the middle leaves the old schema.

    Raises:
        StoreUnusable: The database is newer, and no longer for this program, or none of ours.
        sqlite3.Error: The database cannot be read or written.
    """
    connect = partial(connections.writer, path, settings, busy_timeout_s=settings.migration_timeout_s)
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            _upgrade(connection, path)
    except DBAPIError as error:
        raise (error.orig or error) from error
    finally:
        engine.dispose()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _upgrade(connection: Connection, path: Path) -> None:
    driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
    present = schema_of(driver)
    if present is not None and present >= HEAD:  # another process was first
        if not usable(driver, present):
            raise beyond(repr(str(path)), present)
        return
    config = config_of()
    check_known(config, present, repr(str(path)))
    config.attributes["connection"] = connection
    with ALEMBIC:
        command.upgrade(config, "head")
    connection.exec_driver_sql(rule(config))


def config_of(**options: Any) -> Config:
    """Return where the steps are, as Alembic wants it."""
    config = Config(**options)
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


def check_known(config: Config, present: str | None, shown: str) -> None:
    """Check that there is a way from a schema to this program's.

    Raises:
        StoreUnusable: The schema is none of ours.
    """
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise StoreUnusable(
            f"store {shown} has schema {present!r}, which no devbench-store-sql made",
            hint="name another database in plugin.sql.url, or restore a backup",
        )


def rule(config: Config) -> str:
    """Return the statement that says which is the oldest schema whose code works with the last one."""
    last = ScriptDirectory.from_config(config).get_revision("head")
    return f"UPDATE schema_rule SET oldest = '{last.module.oldest}'"  # noqa: S608 - ours


def script(present: str | None, shown: str) -> str:
    """Return the steps from a schema to this program's as SQL for PostgreSQL.

    Raises:
        StoreUnusable: The schema is none of ours.
    """
    written = io.StringIO()
    config = config_of(output_buffer=written)
    check_known(config, present, shown)
    with ALEMBIC:
        command.upgrade(config, f"{present or 'base'}:head", sql=True)
    return f"{written.getvalue()}\n{rule(config)};"
