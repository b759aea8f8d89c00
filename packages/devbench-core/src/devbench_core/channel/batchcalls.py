"""Batches on a channel: operations go out as they come, and nothing happens before the commit."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs

from devbench_core.channel.batch_messages import (
    OPERATIONS_MAX,
    Batch,
    BatchDone,
    BatchEnd,
    BatchFlag,
    BatchOp,
    BatchRefused,
    BatchResults,
    Outcome,
)
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.codec import encode
from devbench_core.channel.faults import lie
from devbench_core.channel.file_messages import Data, FileError
from devbench_core.channel.messages import Message
from devbench_core.channel.replies import FileRefused, Reply
from devbench_core.channel.wire import DATA_MAX

COMPANY_BYTES = 65_536  # frames that are sent together


class OperationRefused(FileRefused):
    """One operation of a batch cannot be done, so none was.

    Attributes:
        index: Which, from 0.
    """

    def __init__(self, reply: BatchRefused) -> None:
        super().__init__(
            FileError(id=reply.id, code=reply.code, errno=reply.errno, etag=reply.etag, message=reply.message)
        )
        self.index = reply.index


class BatchReply(Reply[tuple[Outcome, ...]]):
    """What became of each operation: of none when the batch is quiet."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__()
        self.sent = 0
        self.ended = False
        self._quiet = quiet
        self._outcomes: list[Outcome] = []

    def accept(self, message: Message) -> bool:
        """Take results, the end, or the refusal."""
        if isinstance(message, BatchRefused):
            if message.index >= max(self.sent, 1):
                raise lie("a batch was refused for an operation that it does not have")
            self.fail(OperationRefused(message))
            return True
        if not self.ended:
            raise self.unexpected(message)
        if isinstance(message, BatchResults):
            self._outcomes += message.outcomes
            if self._quiet or len(self._outcomes) > self.sent:
                raise lie("a batch has more results than operations")
            return False
        if isinstance(message, BatchDone):
            if message.count != self.sent or (not self._quiet and len(self._outcomes) != self.sent):
                raise lie("a batch has other operations than were sent")
            return self.done(tuple(self._outcomes))
        raise self.unexpected(message)


@attrs.define(eq=False)
class BatchStream:
    """A batch that is being sent. Every method raises `OperationRefused` as soon as the agent has refused.

    Attributes:
        count: Operations so far.
    """

    _channel: AgentChannel
    _number: int
    _reply: BatchReply
    _waiting: bytearray = attrs.field(factory=bytearray)

    @property
    def count(self) -> int:
        """Operations so far."""
        return self._reply.sent

    @property
    def is_full(self) -> bool:
        """Whether the agent takes no further operation."""
        return self._reply.sent >= OPERATIONS_MAX

    async def add(self, operation: BatchOp) -> int:
        """Add an operation, whose ``id`` is set here; return its index. A write's content must follow."""
        self._waiting += encode(attrs.evolve(operation, id=self._number))
        self._reply.sent += 1
        await self._send(COMPANY_BYTES)
        return self._reply.sent - 1

    async def content(self, data: bytes) -> None:
        """Add content of the last write."""
        view = memoryview(data)
        for start in range(0, len(data), DATA_MAX):
            self._waiting += encode(Data(id=self._number, data=bytes(view[start : start + DATA_MAX])))
            await self._send(COMPANY_BYTES)

    async def commit(self) -> tuple[Outcome, ...]:
        """Make all of it happen, in order, or nothing; return what became of each operation.

        It takes as long as the agent does: the caller bounds it.
        """
        self._waiting += encode(BatchEnd(id=self._number, count=self._reply.sent))
        self._reply.ended = True
        await self._send(0)
        return await self._reply.future

    async def _send(self, at_least: int) -> None:
        if self._reply.future.done():
            await self._reply.future
        if len(self._waiting) <= at_least:
            return
        frames, self._waiting = bytes(self._waiting), bytearray()
        async with self._channel.step():
            await self._channel.send_frames(frames)


@asynccontextmanager
async def open_batch(
    channel: AgentChannel, *, durable: bool = False, quiet: bool = False
) -> AsyncGenerator[BatchStream]:
    """Begin a batch. Without a commit in the block nothing happens and nothing is left."""
    flags = (BatchFlag.DURABLE if durable else BatchFlag(0)) | (BatchFlag.QUIET if quiet else BatchFlag(0))
    async with channel.opened(lambda _: BatchReply(quiet=quiet)) as (number, reply):
        assert isinstance(reply, BatchReply)  # noqa: S101 - for the type checker
        channel.post(Batch(id=number, flags=int(flags)))
        yield BatchStream(channel, number, reply)
