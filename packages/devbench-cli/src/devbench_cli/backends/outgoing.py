"""Content on its way to a link of a host; it is sent again from its beginning when the connection was lost."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import attrs

from devbench_cli.backends.link_failures import AnswerLost, CutOff
from devbench_cli.backends.linking import no_links
from devbench_cli.backends.protocol import Backend
from devbench_cli.backends.remote import RemoteBackend
from devbench_core.tools.fs_link import FsLinkOutput

FindLink = Callable[[], Awaitable[FsLinkOutput | None]]
Check = Callable[[], Awaitable[bool]]


@attrs.frozen(kw_only=True)
class Outgoing:
    """Content that is to be sent.

    Attributes:
        read: Reads it from its beginning.
        again: Whether that can be done more than once; not from a pipe.
    """

    read: Callable[[], AsyncGenerator[bytes]]
    again: bool

    @classmethod
    def once(cls, stream: AsyncGenerator[bytes]) -> Outgoing:
        """Return what can be read once."""
        return cls(read=lambda: stream, again=False)


@attrs.define(kw_only=True)
class Sending:
    """One transfer to a host, with its repeats.

    Attributes:
        backend: The host.
        content: What is sent.
        pieces: It, as far as it was not read yet.
        what: Its name, for errors.
        lost: An answer was lost when all had been sent: whether that was done is not known.
    """

    backend: Backend
    content: Outgoing
    pieces: AsyncGenerator[bytes]
    what: str
    lost: AnswerLost | None = None

    async def run(self, find: FindLink, undone: Check | None = None) -> Mapping[str, Any]:
        """Send it, and again while the connection is lost on the way and the client's patience lasts.

        A part changes nothing there. If all was sent, it is repeated only under a condition that the first try has made
        false if it was done, now or later.

        Args:
            find: Asks for a link, with that condition.
            undone: Whether the condition holds still; None when there is none.

        Raises:
            TooLarge: The host gives no links.
            AnswerLost: All was sent, and whether it is there is not known.
            CutOff: The connection was lost, and nothing was changed.
            DevbenchError: What the host says.
        """
        outage = None
        while True:
            link = await find()
            if link is None or not isinstance(self.backend, RemoteBackend):
                raise no_links(self.what)
            outage = outage or self.backend.outage()
            try:
                return await self.backend.links.send(link, self.pieces)
            except (AnswerLost, CutOff) as error:
                if isinstance(error, AnswerLost):
                    self.lost = error
                    if undone is None:
                        raise
                if (error.begun and not self.content.again) or not await self.backend.again(outage):
                    raise
                if isinstance(error, AnswerLost) and undone is not None and not await undone():
                    raise
                if error.begun:
                    await self.restart()

    async def restart(self) -> None:
        """Read it from its beginning."""
        await self.pieces.aclose()
        self.pieces = self.content.read()
