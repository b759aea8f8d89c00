"""Translates the database's failures once, keeping their cause."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from devbench_core.errors import DevbenchError, StoreFailed

_ADVICE = (
    ("disk is full", "the disk is full", "free some space; everything that was committed is kept"),
    (
        "disk i/o error",
        "the disk failed or is full",
        "look at the disk; everything that was committed is kept",
    ),
    ("readonly", "the database is read-only", "give this user the right to write the file and its folder"),
    (
        "locked",
        "another process holds the database",
        "try again; raise plugin.sql.busy_timeout_s if it lasts",
    ),
    ("malformed", "the database is damaged", "restore a backup; `sqlite3 FILE .recover` saves what it can"),
    (
        "not a database",
        "the file is no SQLite database",
        "name another file in plugin.sql.url, or restore a backup",
    ),
    ("unable to open", "the database cannot be opened", "look at the path and the rights of the folder"),
    ("permission denied", "the folder may not be written", "look at the path and the rights of the folder"),
    ("no space", "the disk is full", "free some space; everything that was committed is kept"),
    ("read-only file system", "the file system is read-only", "name another place in plugin.sql.url"),
)


@contextmanager
def translated(path: Path) -> Generator[None, None, None]:
    """Raise whatever the database raises as `StoreFailed`."""
    try:
        yield
    except DevbenchError:
        raise
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise failure(path, error) from error


def failure(path: Path, error: BaseException) -> StoreFailed:
    """Return the error that tells what is wrong with the database, and what to do."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(error, PoolTimeoutError):
        return StoreFailed(
            f"store {str(path)!r}: no free connection in time", hint="raise plugin.sql.pool_size"
        )
    text = str(cause).lower()
    for part, what, hint in _ADVICE:
        if part in text:
            return StoreFailed(f"store {str(path)!r}: {what}", hint=hint)
    return StoreFailed(f"store {str(path)!r}: {type(cause).__name__}: {cause}"[:500])
