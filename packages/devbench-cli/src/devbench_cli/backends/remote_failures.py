"""Turns what goes wrong between this process and a host into devbench's errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from devbench_cli.failures import HostUnreachable, only_cause
from devbench_core.errors import DevbenchError, TooLarge, Unauthorised

if TYPE_CHECKING:
    from devbench_cli.backends.attempts import Attempt

UNAUTHORISED = frozenset({401, 403})
UNKNOWN_SESSION = 404
TOO_LARGE = 413
FIRST_ERROR = 400
PASSING = frozenset({502, 503, 504})
"""A proxy has no host now or lost the one that it had, or a host stops: another try may come through."""
CONNECTION_CLOSED = -32000
"""The protocol's client was waiting for an answer, and none can come any more."""


class Lost(Exception):
    """No answer came, and another try may bring one.

    Attributes:
        reached: Whether a host may have begun with the call.
        error: What is told when it is not tried again.
    """

    def __init__(self, error: HostUnreachable, *, reached: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.reached = reached


def told(
    url: str, attempt: Attempt, raised: Exception | None, *, in_one_host: bool = False
) -> Lost | DevbenchError | None:
    """Return what became of a try; None when nothing that is known here went wrong.

    Args:
        url: Of the host, without what may be a secret.
        attempt: What its requests met with.
        raised: What the protocol's client made of that.
        in_one_host: Whether it was made in a session that only one host knows.
    """
    lost = _lost(url, attempt, in_one_host=in_one_host)
    if lost is not None or raised is None:
        return lost
    error = only_cause(raised)
    if isinstance(error, DevbenchError | Lost):
        return error
    if not _is_transport(error):
        return None
    status = next((each for each in attempt.statuses if each >= FIRST_ERROR), 0)
    if status:
        return _refused(url, status)
    closed = getattr(error, "code", CONNECTION_CLOSED) == CONNECTION_CLOSED
    return Lost(_silent(url, error), reached=True) if closed else _silent(url, error)


def _lost(url: str, attempt: Attempt, *, in_one_host: bool) -> Lost | None:
    if attempt.failure is not None:
        return Lost(_silent(url, attempt.failure), reached=attempt.sent)
    passing = next((status for status in attempt.statuses if status in PASSING), 0)
    if passing:
        return Lost(_answered(url, passing, "it stops, or has no host behind it; try again"), reached=True)
    if in_one_host and UNKNOWN_SESSION in attempt.statuses:
        return Lost(_answered(url, UNKNOWN_SESSION, "the session ended with its host"), reached=False)
    return None


def failure_of(payload: Mapping[str, Any], text: str) -> DevbenchError:
    """Return the error that a host reported, with its own code."""
    payload = payload.get("error", payload)
    code = str(payload.get("code") or "internal")
    kind = type("RemoteFailure", (DevbenchError,), {"code": code, "retry": bool(payload.get("retry"))})
    return kind(
        str(payload.get("message") or text or "the host refused without saying why"),
        hint=str(payload.get("hint") or ""),
        details=payload.get("details") or {},
    )


def _is_transport(error: BaseException) -> bool:
    module = type(error).__module__.split(".")[0]
    return module in {"httpx2", "httpcore2", "mcp", "anyio"} or isinstance(
        error, OSError | BaseExceptionGroup
    )


def _refused(url: str, status: int) -> DevbenchError:
    if status in UNAUTHORISED:
        return Unauthorised(
            f"host {url!r} answered {status}", hint="set DEVBENCH_TOKEN, or give --token-file FILE"
        )
    if status == TOO_LARGE:
        return TooLarge(f"host {url!r} refuses a request of this size", hint="copy it on the host itself")
    return _answered(url, status, "check the address; it usually ends in /mcp")


def _answered(url: str, status: int, hint: str) -> HostUnreachable:
    return HostUnreachable(f"host {url!r} answered {status}", hint=hint)


def _silent(url: str, error: BaseException) -> HostUnreachable:
    return HostUnreachable(
        f"host {url!r} does not answer: {str(error) or type(error).__name__}",
        hint="check that `devbench serve` runs there",
    )
