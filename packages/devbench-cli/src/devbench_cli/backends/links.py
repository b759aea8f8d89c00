"""Large content to and from a remote host: over the signed addresses that it gives, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

from devbench_cli.backends.link_address import address_of, origin
from devbench_cli.backends.link_failures import Sent, cut_off, refusal_of
from devbench_core.tools.fs_link import FsLinkOutput

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 300.0
"""How long a host may take or send nothing: it answers an upload only when all of it has its place."""
PART = 206


@attrs.frozen(kw_only=True)
class Arriving:
    """Content on its way.

    Attributes:
        pieces: It, once.
        is_part: Whether the part that was asked for comes, or all of it.
    """

    pieces: AsyncGenerator[bytes]
    is_part: bool


class HostLinks:
    """Uses the links of one host.

    A link is an address of the host as it sees itself. Behind a proxy that may be another than the one that we
    reached, so what it names is looked for under ours first.

    Args:
        url: The host's address as we reached it.
        token: What we show there, and nowhere else; a proxy may ask for it.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._token = token

    @asynccontextmanager
    async def reading(
        self, link: FsLinkOutput, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Arriving]:
        """Give what a link gives, while the block lasts.

        Raises:
            CutOff: The connection was lost; what came is not all of it.
            DevbenchError: What the host says.
        """
        import httpx2

        wanted = {"Accept-Encoding": "identity", **(headers or {})}
        got = Sent()
        async with self._client() as http:
            try:
                address = await address_of(http, link, self._url, self._shown)
                async with http.stream("GET", address, headers=wanted | self._shown(address)) as answer:
                    await refusal_of(answer, self._url, got, uploading=False)
                    async with aclosing(_counted(answer, got)) as pieces:
                        yield Arriving(pieces=pieces, is_part=answer.status_code == PART)
            except httpx2.TransportError as error:
                raise cut_off(self._url, got, type(error).__name__, uploading=False) from error

    async def send(self, link: FsLinkOutput, pieces: AsyncIterable[bytes]) -> Mapping[str, Any]:
        """Send content to a link, at the pace of the host, and return its answer.

        Raises as `reading`; unless all of it was sent, nothing was changed then. If it was, whether it is there is not
        known (`AnswerLost`). Nothing of a transfer is repeated here: the content may come from a pipe.
        """
        import httpx2

        sent = Sent()

        async def counted() -> AsyncGenerator[bytes]:
            sent.begun = True
            async for piece in pieces:
                if piece:
                    yield piece
                    sent.size += len(piece)
            sent.is_whole = True

        async with self._client() as http:
            try:
                address = await address_of(http, link, self._url, self._shown)
                async with http.stream(
                    "PUT", address, content=counted(), headers=self._shown(address)
                ) as answer:
                    await refusal_of(answer, self._url, sent, uploading=True)
                    await answer.aread()
                    return answer.json()
            except httpx2.TransportError as error:
                raise cut_off(self._url, sent, type(error).__name__, uploading=True) from error

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        return httpx2.AsyncClient(timeout=httpx2.Timeout(IDLE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S))

    def _shown(self, address: str) -> dict[str, str]:
        if self._token is None or origin(address) != origin(self._url):
            return {}
        return {"Authorization": f"Bearer {self._token}"}


async def _counted(answer: httpx2.Response, got: Sent) -> AsyncGenerator[bytes]:
    async for piece in answer.aiter_raw():
        got.size += len(piece)
        yield piece
