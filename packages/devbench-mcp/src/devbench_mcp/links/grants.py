"""What a link grants, signed: nothing is kept of it, so any host with the same key serves it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from typing import cast

from devbench_core.errors import Unauthorised, ValidationFailed
from devbench_core.model.caller import Caller
from devbench_core.model.link import LinkAction, LinkRequest
from devbench_core.values import frozen

KEY_BYTES = 32
TOKEN_MAX_CHARS = 49_152
"""Of a word: with the headers it has to fit in what a request's head may have. A path of any length and any bytes does,
of which each may be six characters of JSON; patterns beside it may be too many."""


@frozen
class Grant:
    """What whoever has the link may do.

    Attributes:
        request: The one thing.
        caller: As whom.
        expires_s: Until when, in seconds since 1970.
    """

    request: LinkRequest
    caller: Caller
    expires_s: int


class Signer:
    """Signs grants with HMAC-SHA256.

    Args:
        key: Shared by all hosts of an installation; None makes one for this process.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(KEY_BYTES)

    def sign(self, grant: Grant) -> str:
        """Return a grant as a word for an address.

        Raises:
            ValidationFailed: It would be longer than what is read.
        """
        request, caller = grant.request, grant.caller
        fields = {
            "a": request.action.value,
            "c": request.container_id,
            "p": request.path,
            "f": request.format,
            "m": request.if_match,
            "n": request.create_only,
            "d": request.mode,
            "i": request.ignore,
            "w": request.overwrite,
            "t": caller.tenant,
            "s": caller.subject,
            "o": sorted(caller.scopes),
            "x": grant.expires_s,
        }
        body = _encode(json.dumps(fields, separators=(",", ":")).encode("ascii"))
        word = f"{body}.{_encode(self._mac(body))}"
        if len(word) > TOKEN_MAX_CHARS:
            raise _too_long("ignore" if request.ignore else "path", len(word))
        return word

    def read(self, word: str, *, now_s: float) -> Grant:
        """Return what a word grants.

        Raises:
            Unauthorised: It was not signed with this key, or is over.
        """
        body, dot, mac = word.partition(".")
        if not dot or len(word) > TOKEN_MAX_CHARS or not hmac.compare_digest(_decode(mac), self._mac(body)):
            raise Unauthorised("the link is not valid", hint="make a new one with fs_link")
        grant = _grant(json.loads(_decode(body)))
        if now_s >= grant.expires_s:
            raise Unauthorised("the link has expired", hint="make a new one with fs_link")
        return grant

    def _mac(self, body: str) -> bytes:
        return hmac.new(
            self._key, b"devbench link v2\0" + body.encode("utf-8", "replace"), hashlib.sha256
        ).digest()


def _too_long(field: str, size: int) -> ValidationFailed:
    return ValidationFailed(
        field,
        f"makes the address of {size} characters, over the {TOKEN_MAX_CHARS} that a host takes",
        hint="name it in fewer bytes: control characters, and bytes that are no UTF-8, take six characters each",
        limit=TOKEN_MAX_CHARS,
    )


def _grant(fields: dict[str, object]) -> Grant:
    """Return what was signed, so that it needs no further check."""
    return Grant(
        request=LinkRequest(
            action=LinkAction(str(fields["a"])),
            container_id=str(fields["c"]),
            path=str(fields["p"]),
            format=str(fields["f"]),
            if_match=None if fields["m"] is None else str(fields["m"]),
            create_only=bool(fields["n"]),
            mode=None if fields["d"] is None else int(cast("int", fields["d"])),
            ignore=tuple(cast("list[str]", fields["i"])),
            overwrite=bool(fields["w"]),
        ),
        caller=Caller(
            tenant=str(fields["t"]),
            subject=str(fields["s"]),
            scopes=frozenset(cast("list[str]", fields["o"])),
            client="link",
        ),
        expires_s=int(cast("int", fields["x"])),
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""
