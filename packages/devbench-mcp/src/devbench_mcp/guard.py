"""The outermost layer of the HTTP host: who may come in, and how requests end when the host stops."""

from __future__ import annotations

import json
from collections.abc import Iterable

import anyio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from devbench_core.errors import DevbenchError, Unauthorised, ValidationFailed
from devbench_core.logs import get_logger
from devbench_core.model.link import LINK_HEADER
from devbench_core.tools.payload import error_payload
from devbench_mcp.callers import Callers
from devbench_mcp.links.grants import Signer
from devbench_mcp.links.making import PREFIX
from devbench_mcp.links.routes import GRANT, grant_of
from devbench_mcp.origins import Origins

log = get_logger(__name__)
PROBES = frozenset({"/healthz", "/readyz"})
"""Open to a balancer that knows neither names nor tokens; they tell nothing else."""
CALLER = "devbench.caller"
"""Key in the request's scope under which tools find the caller."""


class Closing:
    """Says that the host stops, in two steps: streams that only listen end now, running calls a little later."""

    def __init__(self, drain_s: float) -> None:
        self._drain_s = drain_s
        self._asked = anyio.Event()

    @property
    def asked(self) -> bool:
        """Whether the host stops."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Begin to stop."""
        self._asked.set()

    async def wait(self, *, listening: bool) -> None:
        """Return when a request has to end."""
        await self._asked.wait()
        if not listening:
            await anyio.sleep(self._drain_s)


class Guard:
    """Checks Host, Origin and token of each request, and ends requests when the host stops."""

    def __init__(
        self, app: ASGIApp, *, callers: Callers, origins: Origins, closing: Closing, signer: Signer
    ) -> None:
        self._app = app
        self._callers = callers
        self._origins = origins
        self._closing = closing
        self._signer = signer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        refusal = self._check_link(scope) if scope["path"].startswith(PREFIX) else self._check(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._until_closing(scope, receive, send)

    def _check_place(self, headers: list[tuple[bytes, bytes]]) -> Response | None:
        if not self._origins.host_allowed(_all(headers, b"host")):
            return refused(421, _not_served("Host", "mcp.allowed_hosts"))
        if not self._origins.origin_allowed(_all(headers, b"origin")):
            return refused(403, _not_served("Origin", "mcp.allowed_origins"))
        return None

    def _check_link(self, scope: Scope) -> Response | None:
        """A link stands for itself: it was signed for a caller, and is valid for a short time."""
        refusal = self._check_place(scope["headers"])
        if refusal is not None:
            return refusal
        try:
            scope[GRANT] = grant_of(self._signer, scope["path"], PREFIX)
        except Unauthorised as error:
            log.warning("http.bad_link", client=scope.get("client"))
            return refused(403, error, {LINK_HEADER: "1"})
        return None

    def _check(self, scope: Scope) -> Response | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        refusal = self._check_place(headers)
        if refusal is not None:
            return refusal
        given = list(_all(headers, b"authorization"))
        principal = self._callers.find(given[0] if len(given) == 1 else None)
        if principal is None:
            log.warning("http.unauthorised", path=scope["path"], client=scope.get("client"))
            problem = Unauthorised(
                "the bearer token is missing or unknown",
                hint="send the header Authorization: Bearer TOKEN with a token of mcp.tokens",
            )
            return refused(401, problem, {"WWW-Authenticate": 'Bearer realm="devbench"'})
        scope[CALLER] = principal.caller
        scope["user"] = principal.user
        return None

    async def _until_closing(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send, whole=GRANT in scope)
        async with anyio.create_task_group() as group:

            async def close() -> None:
                await self._closing.wait(listening=scope["method"] == "GET" and GRANT not in scope)
                group.cancel_scope.cancel()

            group.start_soon(close)
            await self._app(scope, receive, answer.send)
            group.cancel_scope.cancel()
        if self._closing.asked:
            await answer.finish(scope, receive)


class _Answer:
    """Knows how far an answer got, so that one that was cut short can be ended cleanly, if a part is of use."""

    def __init__(self, send: Send, *, whole: bool) -> None:
        self._send = send
        self._whole = whole
        self._begun = False
        self._done = False

    async def send(self, message: Message) -> None:
        self._begun = True
        self._done = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def finish(self, scope: Scope, receive: Receive) -> None:
        if self._done:
            return
        if self._begun and self._whole:
            return  # without its end: nobody shall take a part of a file or an archive for all of it
        if self._begun:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        problem = DevbenchError("the host is shutting down", hint="call again when it is back")
        await refused(503, problem, {"Retry-After": "5"})(scope, receive, self._send)


def refused(status: int, error: DevbenchError, headers: dict[str, str] | None = None) -> Response:
    """Return an error as a plain HTTP answer."""
    body = json.dumps({"error": error_payload(error)})
    return Response(body, status, headers, media_type="application/json")


def _not_served(header: str, setting: str) -> ValidationFailed:
    return ValidationFailed(
        header, "is not one that this host serves", hint=f"the operator can add it to {setting}"
    )


def _all(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> Iterable[bytes]:
    return (value for key, value in headers if key == name)
