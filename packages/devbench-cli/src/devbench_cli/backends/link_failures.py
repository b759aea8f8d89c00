"""What goes wrong with a link, and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs

from devbench_cli.backends.remote_failures import failure_of
from devbench_cli.failures import HostUnreachable
from devbench_core.errors import DevbenchError, OutcomeUnknown, Unauthorised

if TYPE_CHECKING:
    import httpx2

FIRST_ERROR = 300
ANSWER_MAX_BYTES = 65_536
PUBLIC_URL = "mcp.public_url"


@attrs.define
class Sent:
    """How far a transfer is."""

    size: int = 0
    is_whole: bool = False


def not_served(reached: str, link: str, status: int) -> HostUnreachable:
    """Return the error for links that cannot be reached; their signed word is not shown."""
    return _elsewhere(
        f"the host's links are served neither beside {_base(reached)!r}, which answered {status}, "
        f"nor at {_base(link)!r}",
        f"set {PUBLIC_URL} to an address of the host",
    )


def in_clear(reached: str, link: str, status: int) -> HostUnreachable:
    """Return the error for links that could be used only without the TLS with which the host was reached."""
    return _elsewhere(
        f"the host's links are not served beside {_base(reached)!r}, which answered {status}, "
        f"and content does not go to {_base(link)!r}, which has no TLS",
        f"set {PUBLIC_URL} to an https address of the host",
    )


def silent(address: str, error: Exception) -> HostUnreachable:
    """Return the error for an address that gives no answer when a link is asked for."""
    return HostUnreachable(
        f"nothing answers for links at {_base(address)!r}: {type(error).__name__}",
        hint="nothing was sent; try again, and look whether the proxy passes /files/ on as it does /mcp",
        details={"setting": PUBLIC_URL},
    )


def _elsewhere(what: str, or_else: str) -> HostUnreachable:
    hint = f"let the proxy pass /files/ on as it does /mcp, or {or_else}"
    return HostUnreachable(what, hint=hint, details={"setting": PUBLIC_URL})


def _base(address: str) -> str:
    """Leave out the signed word, and what a proxy may ask for."""
    return address.partition("/files/")[0].partition("?")[0]


def cut_off(reached: str, sent: Sent, error: Exception, *, uploading: bool) -> DevbenchError:
    """Return the error for a connection that was lost."""
    details: dict[str, object] = {"size_bytes": sent.size}
    what = f"the connection to {_base(reached)!r} was lost after {sent.size} bytes: {type(error).__name__}"
    if not uploading:
        hint = "what came is not all of it and was not kept; copy it again, the host's log may say why"
    elif sent.is_whole:
        hint = "all was sent, but the answer is missing: look whether it is there before you send it again"
        return OutcomeUnknown(what, hint=hint, details=details)
    else:
        hint = "nothing was changed there; copy it again"
    return HostUnreachable(what, hint=hint, details=details)


async def refusal_of(answer: httpx2.Response) -> None:
    """Raise what a host answers, when that is an error.

    Raises:
        DevbenchError: With the code that the host gave.
    """
    if answer.status_code < FIRST_ERROR:
        return
    error = failure_of(*_payload(await _beginning(answer), answer.status_code))
    if error.code != Unauthorised.code:
        raise error
    raise Unauthorised(
        error.message,
        hint="run the command again; hosts that share an address need the same mcp.link_key and the same time",
        details=error.details,
    )


async def _beginning(answer: httpx2.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) >= ANSWER_MAX_BYTES:
            break
    return bytes(body)


def _payload(body: bytes, status: int) -> tuple[Mapping[str, Any], str]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if isinstance(found, dict) and isinstance(cast("dict[str, Any]", found).get("error"), dict):
        return cast("dict[str, Any]", found), ""
    error: dict[str, Any] = {
        "code": HostUnreachable.code,
        "message": f"the host answered {status}",
        "hint": "copy it again, or look at what is between here and there",
        "retry": True,
    }
    return {"error": error}, ""
