"""What goes wrong with a link, and what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs

from devbench_cli.backends.remote_failures import PASSING, failure_of
from devbench_cli.failures import HostUnreachable
from devbench_core.errors import OutcomeUnknown, Unauthorised
from devbench_core.model.link import LINK_HEADER

if TYPE_CHECKING:
    import httpx2

FIRST_ERROR = 300
ANSWER_MAX_BYTES = 65_536
PUBLIC_URL = "mcp.public_url"


@attrs.define
class Sent:
    """How far a transfer is."""

    size: int = 0
    begun: bool = False
    is_whole: bool = False


class CutOff(HostUnreachable):
    """The connection of a transfer was lost in the middle, or no host was there; nothing was changed by it.

    Attributes:
        size: Bytes that came through.
        begun: Whether any of the content was taken from where it comes from.
    """

    size: int = 0
    begun: bool = False


class AnswerLost(OutcomeUnknown):
    """All was sent, and no answer came: it may have been done. Attributes as those of `CutOff`."""

    size: int = 0
    begun: bool = True


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


def silent(address: str, why: str) -> CutOff:
    """Return the error for an address that gives no answer when a link is asked for."""
    return CutOff(
        f"nothing answers for links at {_base(address)!r}: {why}",
        hint="nothing was sent; try again, and look whether the proxy passes /files/ on as it does /mcp",
        details={"setting": PUBLIC_URL},
    )


def _elsewhere(what: str, or_else: str) -> HostUnreachable:
    hint = f"let the proxy pass /files/ on as it does /mcp, or {or_else}"
    return HostUnreachable(what, hint=hint, details={"setting": PUBLIC_URL})


def _base(address: str) -> str:
    """Leave out the signed word, and what a proxy may ask for."""
    return address.partition("/files/")[0].partition("?")[0]


def cut_off(reached: str, sent: Sent, why: str, *, uploading: bool) -> CutOff | AnswerLost:
    """Return the error for a connection that was lost, or behind which no host was."""
    details: dict[str, object] = {"size_bytes": sent.size}
    what = f"the connection to {_base(reached)!r} was lost after {sent.size} bytes: {why}"
    kind: type[CutOff | AnswerLost] = CutOff
    if not uploading:
        hint = "what came is not all of it and was not kept; copy it again, the host's log may say why"
    elif sent.is_whole:
        hint = "all was sent, but the answer is missing: look whether it is there before you send it again"
        kind = AnswerLost
    else:
        hint = "nothing was changed there; copy it again"
    found = kind(what, hint=hint, details=details)
    found.size, found.begun = sent.size, sent.begun
    return found


async def refusal_of(answer: httpx2.Response, reached: str, sent: Sent, *, uploading: bool) -> None:
    """Raise what a host answers, when that is an error.

    Raises:
        CutOff: No host answers there now, or it stops; another try may come through.
        AnswerLost: The same when all was sent.
        DevbenchError: With the code that the host gave.
    """
    if answer.status_code < FIRST_ERROR:
        return
    from devbench_cli.backends.repeats import NOT_NOW

    error = failure_of(*_payload(await _beginning(answer), answer.status_code))
    no_host = answer.status_code in PASSING and LINK_HEADER not in answer.headers
    if no_host or error.code in NOT_NOW:
        raise cut_off(reached, sent, f"{answer.status_code}, {error.message}", uploading=uploading)
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
