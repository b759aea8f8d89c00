"""Says what PostgreSQL's failures mean."""

from __future__ import annotations

import asyncpg
from asyncpg import exceptions as said

from devbench_core.errors import LockFailed, StoreFailed
from devbench_store_sql.failures import MESSAGE_MAX_CHARS, StoreUnusable


class LockUnusable(LockFailed):
    """The server refuses us until somebody changes something; trying again does not help."""

    retry = False


class Raced(Exception):
    """Another host wrote, between our look and our write, a record that had been absent."""


ANEW = (Raced, said.TransactionRollbackError, said.LockNotAvailableError)
"""A transaction that ended for another's sake: it did nothing, and may be repeated."""

BROKEN = (
    OSError,  # refused, reset, and timeouts, too
    said.InterfaceError,
    said.PostgresConnectionError,
    said.OperatorInterventionError,  # the server goes down, or is not up yet
    said.TooManyConnectionsError,  # many hosts come back at once
    said.InternalClientError,
)
"""What ends a connection; what the server did by then is another question."""

_HINTS: tuple[tuple[type[Exception], str, str], ...] = (
    (
        said.InvalidAuthorizationSpecificationError,
        "refuses the login",
        "see user and password in plugin.sql.url",
    ),
    (said.InvalidCatalogNameError, "has no such database", "make it: CREATE DATABASE … OWNER …"),
    (said.InsufficientPrivilegeError, "refuses the access", "let this user own the database"),
    (
        said.TooManyConnectionsError,
        "has no connection left",
        "lower plugin.sql.pool_size, or raise max_connections",
    ),
    (said.DiskFullError, "has no space left", "free some space; everything that was committed is kept"),
    (
        said.ReadOnlySQLTransactionError,
        "is read-only",
        "name the primary server in plugin.sql.url, not a replica",
    ),
    (
        said.QueryCanceledError,
        "took too long",
        "look at the server's load, or raise plugin.sql.statement_timeout_s",
    ),
    (said.DataCorruptedError, "is damaged", "restore a backup"),
    (said.IndexCorruptedError, "is damaged", "restore a backup, or REINDEX"),
)
_FOR_GOOD = (
    said.InvalidAuthorizationSpecificationError,
    said.InvalidCatalogNameError,
    said.InsufficientPrivilegeError,
    said.DataCorruptedError,
)


def failure(shown: str, error: BaseException) -> StoreFailed:
    """Return the error that tells what is wrong with the database, and what to do."""
    if isinstance(error, TimeoutError):
        return StoreFailed(
            f"store {shown} does not answer in time",
            hint="look at the server and the network, or raise the time-outs of plugin.sql",
        )
    for kind, what, hint in _HINTS:
        if isinstance(error, kind):
            sort = StoreUnusable if isinstance(error, _FOR_GOOD) else StoreFailed
            return sort(f"store {shown} {what}", hint=hint)
    if isinstance(error, BROKEN):
        return StoreFailed(
            f"store {shown} cannot be reached: {_short(error)}", hint="is PostgreSQL running? try again"
        )
    if isinstance(error, ANEW):
        return StoreFailed(
            f"store {shown} is too busy: {_short(error)}", hint="try again; raise plugin.sql.retries"
        )
    return StoreFailed(f"store {shown}: {type(error).__name__}: {_short(error)}")


def lock_failure(shown: str, error: BaseException) -> LockFailed:
    """Return the same as an error of the lock in that database."""
    told = failure(shown, error)
    sort = LockFailed if told.retry else LockUnusable
    return sort(f"lock{told.message.removeprefix('store')}", hint=told.hint)


def _short(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text.splitlines()[0][:MESSAGE_MAX_CHARS]


Errors = (asyncpg.PostgresError, OSError, said.InterfaceError, said.InternalClientError, Raced)
"""All that the driver raises."""
