"""Brings a database to this program's schema, one process at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from devbench_core.errors import StoreFailed, TimedOut

RETRY_S = 0.05


def migrate(path: Path, timeout_s: float) -> None:
    """Upgrade under a file lock; a second process waits and then finds nothing to do.

    Raises:
        StoreFailed: The database was written by a newer program.
        TimedOut: Another process held the lock for too long.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    with _locked(path.with_name(path.name + ".migrate"), timeout_s):
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": timeout_s})
        try:
            with engine.connect() as connection:
                _upgrade(connection, config, scripts, path)
        finally:
            engine.dispose()


def _upgrade(connection: Connection, config: Config, scripts: ScriptDirectory, path: Path) -> None:
    present = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if present is not None and present not in known:
        raise StoreFailed(
            f"store {str(path)!r} is at schema {present!r}, which this program does not know",
            hint="it was written by a newer devbench-store-sql: upgrade this one",
        )
    if present == scripts.get_current_head():
        return
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()


@contextmanager
def _locked(path: Path, timeout_s: float) -> Generator[None, None, None]:
    deadline = time.monotonic() + timeout_s
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise TimedOut(
                        f"another process migrates {str(path)!r} for longer than {timeout_s:g} s",
                        hint="raise plugin.sql.migration_timeout_s, or end that process",
                    ) from error
                time.sleep(RETRY_S)
        yield
