"""Contents of files as streams, in constant memory and at the pace of the slower side."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import asynccontextmanager

from devbench_core.bounds import bound
from devbench_core.channel.change_messages import Snapshot
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.faults import lie
from devbench_core.channel.file_messages import (
    KEEP_MODE,
    SIZE_UNKNOWN,
    TO_THE_END,
    Data,
    FileWindow,
    Read,
    ReadEnd,
    ReadMeta,
    Stat,
    Write,
    WriteEnd,
    WriteFlag,
    Written,
)
from devbench_core.channel.messages import Message
from devbench_core.channel.replies import OneReply, Reply
from devbench_core.channel.wire import DATA_MAX

AHEAD_BYTES = 4 * 1024 * 1024
"""What the agent may send before it is read: what a fast channel carries while a slow reader takes a turn."""


class StreamReply(Reply[ReadEnd]):
    """A file's content, which is taken while it comes; never more than the window waits here.

    Args:
        number: The request's id.
        most: Bytes that were asked for.
        window: Bytes that may wait.
        post: Sends a frame.
    """

    def __init__(self, number: int, most: int, window: int, post: Callable[[Message], None]) -> None:
        super().__init__()
        self._id = number
        self._most = most
        self._window = window
        self._post = post
        self._limit = min(window, most)
        self._pieces: deque[bytes] = deque()
        self._got = self._taken = 0
        self._news = asyncio.Event()
        self.stat: Stat | None = None

    def accept(self, message: Message) -> bool:
        """Take the description, a piece, or the end."""
        self._news.set()
        if isinstance(message, ReadMeta) and self.stat is None:
            self.stat = message.stat
            return False
        if isinstance(message, Data) and self.stat is not None:
            self._got += len(message.data)
            if self._got > self._limit:
                raise lie("more bytes of a file than were allowed")
            self._pieces.append(message.data)
            return False
        if isinstance(message, ReadEnd) and self.stat is not None:
            if not message.eof and self._got < self._most:
                raise lie("a read ended early")
            return self.done(message)
        raise self.unexpected(message)

    def fail(self, error: BaseException) -> None:
        """Give up; what waits for news is told."""
        super().fail(error)
        self._news.set()

    def tell(self) -> None:
        """Wake who waits: the agent goes on, though there is nothing to take yet."""
        self._news.set()

    def forget(self) -> None:
        """Wait for other news than what came."""
        if not self.future.done():
            self._news.clear()

    async def wait(self) -> None:
        """Wait until there is something to take, or the description, or the end."""
        await self._news.wait()

    def next(self) -> bytes | None:
        """Return the next piece, None when none waits."""
        if not self._pieces:
            if not self.future.done():
                self._news.clear()
            return None
        piece = self._pieces.popleft()
        self._taken += len(piece)
        wanted = min(self._taken + self._window, self._most)
        due = wanted == self._most or wanted - self._limit >= self._window // 2
        if due and wanted > self._limit and not self.future.done():
            self._limit = wanted
            self._post(FileWindow(id=self._id, limit=wanted))
        return piece


class ReadStream:
    """A file that is being read.

    Attributes:
        stat: What it was when the read began; its etag belongs to the content unless `end` says `changed`.
    """

    def __init__(self, channel: AgentChannel, reply: StreamReply, stat: Stat) -> None:
        self.stat = stat
        self._channel = channel
        self._reply = reply

    async def next(self) -> bytes | None:
        """Return the next piece, None at the end. Raises as `AgentChannel.ask`."""
        while (piece := self._reply.next()) is None:
            if self._reply.future.done():
                await self._reply.future
                return None
            async with self._channel.step():
                await self._reply.wait()
        return piece

    async def end(self) -> ReadEnd:
        """Return how it ended, after the last piece."""
        return await self._reply.future


@asynccontextmanager
async def open_read(
    channel: AgentChannel, path: bytes, *, offset: int = 0, max_bytes: int = TO_THE_END
) -> AsyncGenerator[ReadStream]:
    """Read a file as a stream while the block lasts."""

    def request(number: int, window: int) -> Message:
        return Read(id=number, path=path, offset=offset, max=max_bytes, limit=min(window, max_bytes))

    async with _opened(channel, request, max_bytes) as stream:
        yield stream


@asynccontextmanager
async def open_snapshot(channel: AgentChannel, path: bytes, *, max_bytes: int) -> AsyncGenerator[ReadStream]:
    """Read a file as it is at one moment while the block lasts; the agent makes a copy of it first.

    Raises as `AgentChannel.ask`: a conflict when it does not stop changing, and what keeps the agent from a copy:
    one of more than ``max_bytes`` is too large, and there may be no space.
    """

    def request(number: int, window: int) -> Message:
        return Snapshot(id=number, path=path, max=max_bytes, limit=window)

    async with _opened(channel, request, TO_THE_END) as stream:
        yield stream


@asynccontextmanager
async def _opened(
    channel: AgentChannel, request: Callable[[int, int], Message], max_bytes: int
) -> AsyncGenerator[ReadStream]:
    window = max(channel.limits.window_bytes, AHEAD_BYTES)

    def reply(number: int) -> StreamReply:
        return StreamReply(number, max_bytes, window, channel.post)

    async with channel.opened(reply) as (number, waiting):
        assert isinstance(waiting, StreamReply)  # noqa: S101 - for the type checker
        waiting.progress = waiting.tell
        channel.post(request(number, window))
        while waiting.stat is None and not waiting.future.done():
            waiting.forget()
            async with channel.step():
                await waiting.wait()
        if waiting.stat is None:
            await waiting.future
        assert waiting.stat is not None  # noqa: S101 - or the future has raised
        yield ReadStream(channel, waiting, waiting.stat)


async def write_stream(
    channel: AgentChannel,
    path: bytes,
    pieces: AsyncIterable[bytes],
    *,
    flags: WriteFlag,
    mode: int | None,
    if_match: str = "",
    count: Callable[[int], None],
    end_timeout_s: float,
) -> Written:
    """Write a whole file atomically from a stream; ``count`` may raise to end it.

    Raises as `AgentChannel.ask`, and whatever the stream raises; then nothing was changed. Where the agent does not
    answer within ``end_timeout_s`` of the end, or the channel breaks then, that is not known: a large file that is to
    be durable may take a slow disk a while.
    """
    async with channel.opened(lambda _: OneReply(Written)) as (number, reply):
        channel.post(
            Write(
                id=number,
                path=path,
                flags=flags,
                mode=KEEP_MODE if mode is None else mode,
                size=SIZE_UNKNOWN,
                if_match=if_match,
            )
        )
        async for piece in pieces:
            count(len(piece))
            for start in range(0, len(piece), DATA_MAX):
                if reply.future.done():
                    return await reply.future
                async with channel.step():
                    await channel.send_bulk(Data(id=number, data=piece[start : start + DATA_MAX]))
        async with channel.step():
            await channel.send_bulk(WriteEnd(id=number))
        doing = f"writing {path.decode(errors='replace')!r}"
        unknown = "whether the file was written"
        async with bound(end_timeout_s, "files.operation_timeout_s", doing, unknown=unknown):
            return await reply.future
