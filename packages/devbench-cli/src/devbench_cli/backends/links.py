"""Large content to and from a remote host: over the signed addresses that it gives, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

from devbench_cli.backends.link_failures import Sent, cut_off, not_served, refusal_of
from devbench_core.model.link import LINK_HEADER
from devbench_core.tools.fs_link import FsLinkOutput

if TYPE_CHECKING:
    import httpx2

CONNECT_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 300.0
"""How long a host may take or send nothing: it answers an upload only when all of it has its place."""
PATH_PARTS = 3
"""A link ends with these of the host's own: files, the signed word, and a name for people."""
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
            HostUnreachable: The connection was lost; what came is not all of it.
            DevbenchError: What the host says.
        """
        import httpx2

        wanted = {"Accept-Encoding": "identity", **(headers or {})}
        got = Sent()
        async with self._client() as http:
            try:
                address = await self._address(http, link)
                async with http.stream("GET", address, headers=wanted | self._shown(address)) as answer:
                    await refusal_of(answer)
                    async with aclosing(_counted(answer, got)) as pieces:
                        yield Arriving(pieces=pieces, is_part=answer.status_code == PART)
            except httpx2.TransportError as error:
                raise cut_off(self._url, got, error, uploading=False) from error

    async def send(self, link: FsLinkOutput, pieces: AsyncIterable[bytes]) -> Mapping[str, Any]:
        """Send content to a link, at the pace of the host, and return its answer.

        Raises as `reading`; unless all of it was sent, nothing was changed then.
        """
        import httpx2

        sent = Sent()

        async def counted() -> AsyncGenerator[bytes]:
            async for piece in pieces:
                if piece:
                    yield piece
                    sent.size += len(piece)
            sent.is_whole = True

        async with self._client() as http:
            try:
                address = await self._address(http, link)
                async with http.stream(
                    "PUT", address, content=counted(), headers=self._shown(address)
                ) as answer:
                    await refusal_of(answer)
                    await answer.aread()
                    return answer.json()
            except httpx2.TransportError as error:
                raise cut_off(self._url, sent, error, uploading=True) from error

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        return httpx2.AsyncClient(timeout=httpx2.Timeout(IDLE_TIMEOUT_S, connect=CONNECT_TIMEOUT_S))

    def _shown(self, address: str) -> dict[str, str]:
        if self._token is None or _origin(address) != _origin(self._url):
            return {}
        return {"Authorization": f"Bearer {self._token}"}

    async def _address(self, http: httpx2.AsyncClient, link: FsLinkOutput) -> str:
        """Return under which address the host serves a link, before anything is sent there."""
        near = rebased(link.url, self._url)
        addresses = [near] if near == link.url else [near, link.url]
        last = 0
        for address in addresses:
            found, status = await self._serves(http, address, link.method)
            if found:
                return address
            last = last or status
        raise not_served(self._url, link.url, last)

    async def _serves(self, http: httpx2.AsyncClient, address: str, method: str) -> tuple[bool, int]:
        import httpx2

        try:
            answer = await http.head(address, headers=self._shown(address))
        except httpx2.TransportError:
            return False, 0
        return LINK_HEADER in answer.headers, answer.status_code


async def _counted(answer: httpx2.Response, got: Sent) -> AsyncGenerator[bytes]:
    async for piece in answer.aiter_raw():
        got.size += len(piece)
        yield piece


def rebased(link: str, reached: str) -> str:
    """Return a link as an address beside the one under which the host was reached."""
    import httpx2

    here, there = httpx2.URL(reached), httpx2.URL(link)
    tail = there.raw_path.split(b"/")[-PATH_PARTS:]
    path, mark, query = here.raw_path.partition(b"?")
    folder = path.rstrip(b"/").rpartition(b"/")[0]
    return str(here.copy_with(raw_path=b"/".join([folder, *tail]) + mark + query, fragment=None))


def _origin(address: str) -> tuple[str, str, int | None]:
    import httpx2

    found = httpx2.URL(address)
    return found.scheme, found.host, found.port
