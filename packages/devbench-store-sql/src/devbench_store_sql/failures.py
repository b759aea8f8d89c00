"""Translates the database's failures once, keeping their cause."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from devbench_core.errors import DevbenchError, StoreFailed

MESSAGE_MAX_CHARS = 500
_KEPT = "everything that was committed is kept"
_FULL = ("the disk is full", f"free some space; {_KEPT}")
_READ_ONLY = ("the database is read-only", "give this user the right to write the file and its folder")
_DAMAGED = ("the database is damaged", "restore a backup; `sqlite3 FILE .recover` saves what it can")
_CLOSED = ("the database cannot be opened", "look at the path, and at the rights of the file and its folder")
_BUSY = ("another process holds the database", "try again; raise plugin.sql.{timeout} if it lasts")
_DISK = ("the disk failed or is full", f"look at the disk; {_KEPT}")
_BY_SQLITE_CODE = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: (
        "the file is no SQLite database, or a damaged one",
        "restore a backup, or name another file in plugin.sql.url",
    ),
    sqlite3.SQLITE_CANTOPEN: _CLOSED,
    sqlite3.SQLITE_PERM: _CLOSED,
}
_BY_ERRNO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.ENOTDIR: _CLOSED,
}


class StoreUnusable(StoreFailed):
    """The database cannot be used until somebody mends it; trying again does not help."""

    retry = False


_FOR_GOOD = (_READ_ONLY, _DAMAGED, _CLOSED, _BY_SQLITE_CODE[sqlite3.SQLITE_NOTADB])


@contextmanager
def translated(path: Path, *, timeout: str = "busy_timeout_s") -> Generator[None, None, None]:
    """Raise whatever the database raises as `StoreFailed`; the setting is that of how long the block waits."""
    try:
        yield
    except DevbenchError:
        raise
    except (sqlite3.Error, OSError) as error:
        raise failure(path, error, timeout=timeout) from error


def failure(
    path: Path, error: BaseException, *, committing: bool = False, timeout: str = "busy_timeout_s"
) -> StoreFailed:
    """Return the error that tells what is wrong with the database, and what to do.

    Args:
        path: The database.
        error: What it raised.
        committing: Whether it was raised by a commit, whose outcome may then be unknown.
        timeout: The setting that tells how long another process was waited for.
    """
    known = _known(error)
    unknown = "; outcome unknown" if committing and known in (None, _DISK) else ""
    if known is None:
        text = f"store {str(path)!r}: {type(error).__name__}{unknown}: {error}"
        return StoreFailed(text[:MESSAGE_MAX_CHARS])
    what, hint = known
    sort = StoreUnusable if known in _FOR_GOOD else StoreFailed
    return sort(f"store {str(path)!r}: {what}{unknown}", hint=hint.format(timeout=timeout))


def is_busy(error: BaseException) -> bool:
    """Tell whether another connection was in the way, so that trying again may help."""
    return _known(error) is _BUSY


def _known(cause: BaseException) -> tuple[str, str] | None:
    if isinstance(cause, sqlite3.Error):
        return _BY_SQLITE_CODE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)  # the low byte is the sort
    return _BY_ERRNO.get(cause.errno or 0) if isinstance(cause, OSError) else None
