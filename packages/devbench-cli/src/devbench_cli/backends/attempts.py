"""What becomes of the requests of one try of a call, which the protocol's client does not tell.

That client dies of a connection that breaks, with all calls that are under way, and does not tell what each of them met
with. So here the failure of a request is its own: it is noted with the try that made it, and the client sees an answer
that refuses it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any, cast

import attrs
import httpx2

from devbench_cli.backends.silence import Silence

UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Nothing of a request has left this machine."""
STAND_IN = 502
"""What the protocol's client is told instead of an error of the connection."""


@attrs.define
class Attempt:
    """One try.

    Attributes:
        sent: Whether some of it may have come to a host.
        failure: The first error of a connection.
        statuses: What was answered.
    """

    sent: bool = False
    failure: Exception | None = None
    statuses: list[int] = attrs.field(factory=list[int])

    def failed(self, error: Exception) -> None:
        """Note an error of a connection."""
        self.sent = self.sent or not isinstance(error, UNSENT)
        self.failure = self.failure or error

    def answered(self, status: int) -> None:
        """Note the beginning of an answer."""
        self.sent = True
        self.statuses.append(status)


ATTEMPT: ContextVar[Attempt] = ContextVar("attempt")
"""Of the call that is made in this context; the client carries it to the tasks that send and receive."""


class NotingClient(httpx2.AsyncClient):
    """Notes what becomes of each request with the try that it belongs to, and gives up silent connections.

    Args:
        silence: What is silent.
        more: As for every client.
    """

    def __init__(self, silence: Silence, **more: Any) -> None:
        super().__init__(**more)
        self._silence = silence

    async def send(self, request: httpx2.Request, **more: Any) -> httpx2.Response:
        """Send a request; one that fails on the way is answered."""
        attempt = ATTEMPT.get(None) or Attempt()
        allowed_s = self._silence.allowed_s(int(request.headers.get("Content-Length", 0)))
        limits = {**request.extensions.get("timeout", {}), "read": allowed_s, "write": allowed_s}
        request.extensions = {**request.extensions, "timeout": limits}
        try:
            response = await super().send(request, **more)
        except httpx2.TransportError as error:
            attempt.failed(_named(error, allowed_s))
            return httpx2.Response(STAND_IN, request=request)
        attempt.answered(response.status_code)
        self._silence.heard(response.status_code, response.headers)
        response.stream = _Noting(cast("httpx2.AsyncByteStream", response.stream), attempt, allowed_s)
        return response


class _Noting(httpx2.AsyncByteStream):
    """The body of an answer; it ends where the connection does."""

    def __init__(self, stream: httpx2.AsyncByteStream, attempt: Attempt, allowed_s: float) -> None:
        self._stream = stream
        self._attempt = attempt
        self._allowed_s = allowed_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._stream:
                yield piece
        except httpx2.TransportError as error:
            self._attempt.failed(_named(error, self._allowed_s))

    async def aclose(self) -> None:
        await self._stream.aclose()


def _named(error: httpx2.TransportError, allowed_s: float) -> Exception:
    """Return an error of a connection; one for silence has no words of its own."""
    if isinstance(error, httpx2.ReadTimeout | httpx2.WriteTimeout):
        return type(error)(f"nothing came for {allowed_s:g} s")
    return error
