"""Translates the client's failures once. What the server said is kept, and no secret is ever part of it."""

from __future__ import annotations

from redis import exceptions

from devbench_core.errors import LockFailed

MESSAGE_MAX_CHARS = 500


class LockUnusable(LockFailed):
    """The server refuses us until somebody changes something; trying again does not help."""

    retry = False


_KNOWN: tuple[tuple[tuple[type[BaseException], ...], type[LockFailed], str, str], ...] = (
    (
        (exceptions.AuthenticationError,),
        LockUnusable,
        "refuses the user or the password",
        "set plugin.redis.username and plugin.redis.password, or both in plugin.redis.url",
    ),
    (
        (exceptions.NoPermissionError,),
        LockUnusable,
        "does not permit its user what a lock needs",
        "allow keys and channels that begin with plugin.redis.prefix, EVALSHA, EVAL, and what the scripts call",
    ),
    ((exceptions.BusyLoadingError,), LockFailed, "is still loading its data", "try again"),
    (
        (exceptions.ReadOnlyError,),
        LockFailed,
        "is a replica and takes no writes",
        "let plugin.redis.url lead to the primary",
    ),
    (
        (exceptions.OutOfMemoryError,),
        LockFailed,
        "has no memory left",
        "raise its maxmemory, or give the locks a server of their own",
    ),
    (
        (exceptions.TimeoutError, TimeoutError),
        LockFailed,
        "did not answer in time",
        "see whether it can be reached; plugin.redis.connect_timeout_s and command_timeout_s bound the wait",
    ),
)
"""What is wrong and what to do, the special before the general."""


def failure(where: str, error: BaseException) -> LockFailed:
    """Return the error that tells what is wrong with the server at an address, and what to do."""
    error = _root(error)
    for kinds, sort, what, hint in _KNOWN:
        if isinstance(error, kinds):
            return sort(f"Redis at {where} {what}", hint=hint)
    if isinstance(error, (exceptions.ConnectionError, OSError)):
        text = f"Redis at {where} cannot be reached: {error}"[:MESSAGE_MAX_CHARS]
        return LockFailed(text, hint="see whether it runs there; plugin.redis.url says where")
    return LockFailed(f"Redis at {where} failed: {type(error).__name__}: {error}"[:MESSAGE_MAX_CHARS])


def is_passing(error: BaseException) -> bool:
    """Tell whether the same command may be answered on another connection, in a moment."""
    error = _root(error)
    passing = (exceptions.ConnectionError, exceptions.TimeoutError, TimeoutError, OSError)
    return isinstance(error, passing) and not isinstance(error, exceptions.AuthenticationError)


def _root(error: BaseException) -> BaseException:
    """Return what happened while connecting, which the client wraps in a general error of its own."""
    while type(error) is exceptions.ConnectionError and error.__cause__ is not None:
        error = error.__cause__
    return error
