"""Turns what goes wrong between this process and a host into devbench's errors."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from devbench_cli.failures import HostUnreachable, only_cause
from devbench_core.errors import DevbenchError, TooLarge, Unauthorised

UNAUTHORISED = frozenset({401, 403})
TOO_LARGE = 413
FIRST_ERROR = 400


class Watch:
    """Remembers the last status of a host: the client's own errors do not tell it."""

    def __init__(self, url: str) -> None:
        self.url = url.partition("?")[0]  # the rest may be a secret, and errors show this
        self.status = 0

    async def saw(self, response: Any) -> None:
        """Note a response."""
        self.status = int(response.status_code)


@contextmanager
def translate(watch: Watch) -> Generator[None]:
    """Raise devbench's errors instead of the client's."""
    try:
        yield
    except Exception as raised:
        error = only_cause(raised)
        if isinstance(error, DevbenchError):
            raise error from None
        if not _is_transport(error):
            raise
        raise _transport_failure(watch, error) from error


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


def _transport_failure(watch: Watch, error: BaseException) -> DevbenchError:
    if watch.status in UNAUTHORISED:
        return Unauthorised(
            f"host {watch.url!r} answered {watch.status}",
            hint="set DEVBENCH_TOKEN, or give --token-file FILE",
        )
    if watch.status == TOO_LARGE:
        return TooLarge(
            f"host {watch.url!r} refuses a request of this size", hint="copy it on the host itself"
        )
    if watch.status >= FIRST_ERROR:
        return HostUnreachable(
            f"host {watch.url!r} answered {watch.status}", hint="check the address; it usually ends in /mcp"
        )
    return HostUnreachable(
        f"host {watch.url!r} does not answer: {error}", hint="check that `devbench serve` runs there"
    )
