"""Under which address a link is used, which is found out before anything is sent there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from devbench_cli.backends.link_failures import in_clear, not_served, silent
from devbench_cli.backends.remote_failures import PASSING
from devbench_core.model.link import LINK_HEADER
from devbench_core.tools.fs_link import FsLinkOutput

if TYPE_CHECKING:
    import httpx2

PATH_PARTS = 3
"""A link ends with these of the host's own: files, the signed word, and a name for people."""
SAFE = "https"


async def address_of(
    http: httpx2.AsyncClient, link: FsLinkOutput, reached: str, shown: Callable[[str], Mapping[str, str]]
) -> str:
    """Return under which address the host serves a link: beside the one that was reached, else as it was given.

    Only an answer that is none of a host's says that the first is wrong. A connection that fails may be anything, and
    whoever can break one shall not choose another address by that. What was reached with TLS never goes without.

    Args:
        http: Asks.
        link: What the host gave.
        reached: The host's address as we reached it.
        shown: Headers for an address.

    Raises:
        HostUnreachable: There is none.
    """
    near = rebased(link.url, reached)
    status = await _status(http, near, reached, shown(near))
    if status is None:
        return near
    if origin(reached)[0] == SAFE != origin(link.url)[0]:
        raise in_clear(reached, link.url, status)
    if near == link.url or await _status(http, link.url, link.url, shown(link.url)) is not None:
        raise not_served(reached, link.url, status)
    return link.url


async def _status(
    http: httpx2.AsyncClient, address: str, known_as: str, headers: Mapping[str, str]
) -> int | None:
    """Return what something else than a host answers there; None when it is a host."""
    import httpx2

    try:
        answer = await http.head(address, headers=headers)
    except httpx2.TransportError as error:
        raise silent(known_as, type(error).__name__) from error
    if answer.status_code in PASSING and LINK_HEADER not in answer.headers:
        raise silent(
            known_as, str(answer.status_code)
        )  # no host is there now, which may be served there all the same
    return None if LINK_HEADER in answer.headers else answer.status_code


def rebased(link: str, reached: str) -> str:
    """Return a link as an address beside the one under which the host was reached."""
    import httpx2

    here, there = httpx2.URL(reached), httpx2.URL(link)
    tail = there.raw_path.split(b"/")[-PATH_PARTS:]
    path, mark, query = here.raw_path.partition(b"?")
    folder = path.rstrip(b"/").rpartition(b"/")[0]
    return str(here.copy_with(raw_path=b"/".join([folder, *tail]) + mark + query, fragment=None))


def origin(address: str) -> tuple[str, str, int | None]:
    """Return scheme, name and port of an address."""
    import httpx2

    found = httpx2.URL(address)
    return found.scheme, found.host, found.port
