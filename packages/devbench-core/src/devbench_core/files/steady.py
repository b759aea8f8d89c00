"""Files that change while they are read, as they are at one moment."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import attrs

from devbench_core.channel import streamcalls
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.file_messages import FileFault
from devbench_core.channel.replies import FileRefused
from devbench_core.channel.streamcalls import ReadStream
from devbench_core.errors import FileConflict
from devbench_core.files.paths import absolute_path
from devbench_core.files.settings import FileLimits

FEATURE = "snapshot"
PAUSE_S, PAUSE_MAX_S = 0.05, 0.8
"""Between two attempts: the first pause, which doubles, and the longest."""
GONE = {FileFault.NOT_FOUND, FileFault.NOT_DIRECTORY, FileFault.IS_DIRECTORY, FileFault.NOT_A_FILE}


@attrs.frozen
class Asked:
    """An agent, and how to take a place among the operations on it for one request."""

    channel: AgentChannel
    turn: Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def steady(asked: Asked, where: bytes, limits: FileLimits) -> AsyncGenerator[ReadStream | None]:
    """Read a file as it is at one moment; None when the agent can make no copy of it, for space or rights.

    Raises:
        FileConflict: It does not stop changing.
        FileRefused: It is gone.
    """
    if FEATURE not in asked.channel.agent.features or limits.export_copy_max_bytes == 0:
        yield None
        return
    async with AsyncExitStack() as stack:
        yield await _held(stack, asked, where, limits)


async def _held(stack: AsyncExitStack, asked: Asked, where: bytes, limits: FileLimits) -> ReadStream | None:
    most = limits.export_copy_max_bytes
    for attempt in range(limits.export_attempts):
        if attempt:
            await asyncio.sleep(min(PAUSE_S * 2 ** (attempt - 1), PAUSE_MAX_S))
        async with AsyncExitStack() as tried:
            await tried.enter_async_context(asked.turn())
            try:
                copy = streamcalls.open_snapshot(asked.channel, where, max_bytes=most)
                stream = await tried.enter_async_context(copy)
            except FileRefused as error:
                if error.reply.code is FileFault.CONFLICT:
                    continue
                if error.reply.code in GONE:
                    raise
                return None
            await stack.enter_async_context(tried.pop_all())
            return stream
    raise never_steady(where, limits)


def never_steady(where: bytes, limits: FileLimits) -> FileConflict:
    """Return the error for a file that does not stop changing."""
    path = str(absolute_path(where))
    return FileConflict(
        f"{path!r} was changed all the time while it was read, in {limits.export_attempts} attempts",
        hint="stop what rewrites it, leave it out with `ignore`, or raise files.export_attempts",
        details={
            "path": path,
            "etag": "",
            "limit": limits.export_attempts,
            "setting": "files.export_attempts",
        },
    )


class Beginning:
    """The first bytes of a file, as they are read; tells at the end whether they stood there together.

    Args:
        stream: The file.
        size: How many bytes it had when the read began: no more are given.
    """

    def __init__(self, stream: ReadStream, size: int) -> None:
        self._stream = stream
        self._left = size
        self._size = size
        self._digest = hashlib.sha256()
        self._changed = True

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Give them."""
        while (piece := await self._stream.next()) is not None:
            if len(piece) > self._left:  # it has grown
                piece, self._left = piece[: self._left], 0
                self._digest.update(piece)
                yield piece
                return
            self._left -= len(piece)
            self._digest.update(piece)
            yield piece
        self._changed = (await self._stream.end()).changed

    async def is_whole(self, channel: AgentChannel, where: bytes) -> bool:
        """Tell whether nothing changed but that the file grew: then they are read again, and must be the same."""
        if self._left or not self._changed:
            return not self._left
        again = hashlib.sha256()
        async with streamcalls.open_read(channel, where, max_bytes=self._size) as stream:
            while (piece := await stream.next()) is not None:
                again.update(piece)
        return again.digest() == self._digest.digest()


async def all_of(stream: ReadStream) -> bytes:
    """Return a whole stream."""
    data = bytearray()
    while (piece := await stream.next()) is not None:
        data += piece
    return bytes(data)
