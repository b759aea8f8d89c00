"""Who calls: bearer tokens to callers, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken

from devbench_core.errors import ConfigurationInvalid
from devbench_core.model.caller import Caller
from devbench_core.values import frozen
from devbench_mcp.settings import CallerSettings, McpSettings

SCHEME = b"bearer "


@frozen
class Principal:
    """A caller, and the user that the SDK binds a session to.

    A session can then be used only by the caller that opened it.
    """

    caller: Caller
    user: AuthenticatedUser


def principal_of(settings: CallerSettings) -> Principal:
    """Return the principal that settings describe."""
    caller = Caller(tenant=settings.tenant, subject=settings.subject, scopes=frozenset[str](settings.scopes))
    token = AccessToken(
        token="",
        client_id=f"{caller.tenant}/{caller.subject}",
        scopes=sorted(caller.scopes),
        subject=caller.subject,
    )
    return Principal(caller=caller, user=AuthenticatedUser(token))


class Callers:
    """Finds the principal behind an Authorization header.

    Only digests of the tokens are kept, and all are compared each time, so that neither length nor position nor
    content of a token shows in how long it takes.
    """

    def __init__(self, known: Iterable[tuple[bytes, Principal]], local: Principal) -> None:
        self._known = tuple(known)
        self._local = local

    @classmethod
    def of(cls, settings: McpSettings) -> Callers:
        """Read the tokens.

        Raises:
            ConfigurationInvalid: A token is missing, too short or there twice, or the address needs one.
        """
        known: dict[bytes, Principal] = {}
        for entry in settings.tokens:
            digest = _digest(entry.secret().get_secret_value().encode())
            if digest in known:
                raise ConfigurationInvalid(f"the token of {entry.subject!r} in mcp.tokens is there twice")
            known[digest] = principal_of(entry)
        if not known and not settings.on_loopback:
            raise ConfigurationInvalid(
                f"listening on {settings.host!r} needs a bearer token, and mcp.tokens has none",
                hint='add [[mcp.tokens]] with token_env = "NAME", or listen on 127.0.0.1',
            )
        return cls(known.items(), principal_of(settings.local))

    @property
    def local(self) -> Principal:
        """Who needs no token."""
        return self._local

    @property
    def needed(self) -> bool:
        """Whether a request needs a token."""
        return bool(self._known)

    def find(self, authorization: bytes | None) -> Principal | None:
        """Return the principal, or None when the header is missing or its token unknown."""
        if not self._known:
            return self._local
        if authorization is None or authorization[: len(SCHEME)].lower() != SCHEME:
            return None
        given = _digest(authorization[len(SCHEME) :].strip())
        found: Principal | None = None
        for digest, principal in self._known:
            if hmac.compare_digest(digest, given):
                found = principal
        return found


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
