"""Clients that stop in the middle of a transfer are let go: others wait for the place that they hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from devbench_core.errors import TimedOut
from devbench_core.logs import get_logger

log = get_logger(__name__)
SETTING = "mcp.link_idle_s"


class ClientStalled(TimedOut):
    """Nothing came from the client for ``mcp.link_idle_s``."""


async def arriving(pieces: AsyncIterator[bytes], idle_s: float) -> AsyncGenerator[bytes]:
    """Yield what a client sends.

    Raises:
        ClientStalled: Nothing came for ``idle_s``.
    """
    while True:
        try:
            async with asyncio.timeout(idle_s):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise ClientStalled(
                f"nothing came for {idle_s:g} s",
                hint=f"send it again without pauses, or raise {SETTING}",
                details={"limit": idle_s, "setting": SETTING},
            ) from error
        if piece is None:
            return
        yield piece


class PacedResponse(StreamingResponse):
    """A stream out, which ends early when the client takes nothing of it for ``idle_s``.

    Its length is announced, or its last chunk is missing: nobody takes that for the whole. HTTP/1.0 has no chunks, so
    what has no length is not sent over it.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[bytes],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        media_type: str,
        idle_s: float,
    ) -> None:
        super().__init__(pieces, status_code, headers, media_type)
        self._pieces = pieces
        self._idle_s = idle_s

    async def stream_response(self, send: Send) -> None:
        """Send it all, a piece at a time, and close what it comes from however that ends."""

        async def paced(message: Message) -> None:
            try:
                async with asyncio.timeout(self._idle_s):
                    await send(message)
            except TimeoutError:
                log.warning("link.stalled", limit_s=self._idle_s, setting=SETTING)
                raise

        async with aclosing(self._pieces):
            await super().stream_response(paced)
