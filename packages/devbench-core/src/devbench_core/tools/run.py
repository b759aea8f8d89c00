"""The tool for the common case: run a command, wait for its end, return what matters of its output."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs
from pydantic import Field

from devbench_core.errors import DevbenchError
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Chunk, Ends, Exec
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import OUTPUT_DEFAULT_BYTES, TEXT_MAX_BYTES, WAIT_MAX_S
from devbench_core.tools.exec_views import ExecView
from devbench_core.tools.execs import CommandInput, request_of
from devbench_core.tools.pieces import OutputPiece, pieces_of
from devbench_core.tools.progress import OutputReporter

if TYPE_CHECKING:
    from devbench_core.execs import Execs

WAIT_DEFAULT_S = 45.0
"""Well before the minute after which clients give a call up."""
CHUNKS_MAX = 500
"""The most pieces of output: each costs some bytes beside its text."""


class RunInput(CommandInput):
    """Arguments of `run`."""

    wait_s: float = Field(
        default=WAIT_DEFAULT_S,
        gt=0,
        le=WAIT_MAX_S,
        description=(
            "Answer after so many seconds at the latest, the wait for a slot (`queue_s`) included; a command that "
            "still runs then goes on."
        ),
    )
    max_output_bytes: int = Field(
        default=OUTPUT_DEFAULT_BYTES,
        ge=1024,
        le=TEXT_MAX_BYTES,
        description="How much output to return: of more, the beginning and the end.",
    )
    end_with_call: bool | None = Field(
        default=None,
        description=(
            "End the command when this call is cancelled; false lets it go on once it has started. Absent: true, "
            "but false with an `idempotency_key`, since a repeat shall find it."
        ),
    )

    @property
    def ends_with_call(self) -> bool:
        """Whether a cancelled call ends the command."""
        return self.idempotency_key is None if self.end_with_call is None else self.end_with_call


class RunOutput(ToolOutput):
    """Result of `run`."""

    exec: ExecView = Field(description="The run: look at `ending.reason` and `ending.exit_code`.")
    replayed: bool = Field(
        default=False, description="Whether an earlier call with the same key had started it."
    )
    ended: bool = Field(
        description="Whether it has ended. If not, go on with `exec_poll`, giving `cursor` as `after`."
    )
    output: list[OutputPiece] = Field(
        description="Its output in order, or the beginning and the end of it when `left_out_bytes` is not 0."
    )
    left_out_bytes: int = Field(
        default=0, description="How much was left out between the beginning and the end."
    )
    left_out_before_piece: int | None = Field(
        default=None, description="Index of the first piece of `output` that comes after what was left out."
    )
    left_out_after: int | None = Field(
        default=None, description="Give it to `exec_poll` as `after` to read what was left out."
    )
    cursor: int = Field(description="End of what was looked at; output that comes later is after it.")


@attrs.define
class HeadAndTail:
    """Keeps the beginning and the end of output within a bound.

    Attributes:
        limit_bytes: Half for each.
        left_out_bytes: What lies between them.
        left_out_after: The last chunk that is whole in the beginning.
    """

    limit_bytes: int
    left_out_bytes: int = 0
    left_out_after: int = 0
    _head: list[Chunk] = attrs.field(factory=list[Chunk])
    _tail: deque[Chunk] = attrs.field(factory=deque[Chunk])
    _head_bytes: int = 0
    _tail_bytes: int = 0

    @classmethod
    def of(cls, ends: Ends, limit_bytes: int) -> HeadAndTail:
        """Return the same of output of which only the ends were read, for the same limit and `CHUNKS_MAX`."""
        kept = cls(limit_bytes)
        kept.add(ends.head)
        kept.skip(ends.skipped_bytes)
        kept.add(ends.tail)
        return kept

    @property
    def head(self) -> tuple[Chunk, ...]:
        """The beginning."""
        return tuple(self._head)

    @property
    def tail(self) -> tuple[Chunk, ...]:
        """The end; follows the beginning directly when nothing was left out."""
        return tuple(self._tail)

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Take the chunks that follow."""
        for chunk in chunks:
            room = self.limit_bytes // 2 - self._head_bytes if len(self._head) < CHUNKS_MAX // 2 else 0
            if not self._tail and len(chunk.data) <= room:
                self._head.append(chunk)
                self._head_bytes += len(chunk.data)
                self.left_out_after = chunk.seq
                continue
            if not self._tail and room > 0:
                self._head.append(attrs.evolve(chunk, data=chunk.data[:room]))
                self._head_bytes += room
                chunk = attrs.evolve(chunk, data=chunk.data[room:], lost_bytes=0)  # noqa: PLW2901 - the rest of it
            self._tail.append(chunk)
            self._tail_bytes += len(chunk.data)
            self._shorten()

    def skip(self, count: int) -> None:
        """Take note that so many bytes follow which are not kept; the beginning is full by then."""
        if not count:
            return
        self.left_out_bytes += self._tail_bytes + count
        self._tail.clear()
        self._tail_bytes = 0

    def pieces(self) -> tuple[list[OutputPiece], int | None]:
        """Return both as pieces, and where the end begins; they are one where nothing was left out."""
        if not self.left_out_bytes:
            return pieces_of([*self._head, *self._tail]), None
        head = pieces_of(self._head)
        return [*head, *pieces_of(self._tail)], len(head)

    def _shorten(self) -> None:
        most = self.limit_bytes - self.limit_bytes // 2
        while self._tail_bytes > most or len(self._tail) > CHUNKS_MAX // 2:
            first = self._tail.popleft()
            too_many = len(self._tail) >= CHUNKS_MAX // 2
            over = len(first.data) if too_many else min(self._tail_bytes - most, len(first.data))
            self._tail_bytes -= over
            self.left_out_bytes += over
            if over < len(first.data):
                self._tail.appendleft(attrs.evolve(first, data=first.data[over:], lost_bytes=0))


async def run(context: ToolContext, given: RunInput) -> RunOutput:
    """Run a command and wait for its end, within bounds."""
    execs = context.bench.execs
    begun = time.monotonic()
    request = request_of(given)
    request = attrs.evolve(request, queue_s=min(request.queue_s, given.wait_s))
    started = record = await execs.start(
        given.container,
        request,
        idempotency_key=given.idempotency_key,
        outlives_caller=not given.ends_with_call,
        caller=context.caller,
    )
    kept, cursor = HeadAndTail(given.max_output_bytes), 0
    reporter = OutputReporter(context.progress, begun, given.wait_s)
    until = begun + given.wait_s
    if context.leave_after_s is not None:
        until = min(until, time.monotonic() + context.leave_after_s)
    try:
        while True:
            rest_s = max(0.0, until - time.monotonic())
            page = await execs.poll(record.id, after=cursor, wait_s=rest_s, caller=context.caller)
            kept.add(page.chunks)
            cursor = page.cursor
            if page.ending is not None or not rest_s:
                break
            await reporter.tell(page.chunks)
        record = await execs.get(record.id, caller=context.caller)
    except asyncio.CancelledError:
        if given.ends_with_call:
            execs.end_soon(record.id)
        raise
    except DevbenchError as error:
        error.details.setdefault("exec_id", record.id)  # it was started, and goes on
        raise
    return _output(record, kept, cursor, ended=page.ending is not None, replayed=started.replayed)


async def result_of(
    execs: Execs,
    exec_id: str,
    *,
    max_output_bytes: int = OUTPUT_DEFAULT_BYTES,
    replayed: bool = False,
    caller: Caller,
) -> RunOutput:
    """Return what `run` would answer now of a command, from its record and the output in the store.

    Raises:
        ExecNotFound: The caller's tenant has no such command.
        StoreFailed: The store could not be read.
    """
    ends = await execs.ends(exec_id, limit_bytes=max_output_bytes, limit_chunks=CHUNKS_MAX, caller=caller)
    kept = HeadAndTail.of(ends, max_output_bytes)
    record = await execs.get(exec_id, caller=caller)
    return _output(record, kept, ends.cursor, ended=ends.ending is not None, replayed=replayed)


def _output(record: Exec, kept: HeadAndTail, cursor: int, *, ended: bool, replayed: bool) -> RunOutput:
    """Return the result; ``ended`` is not the record's: it may have ended since, with output beyond the cursor."""
    pieces, seam = kept.pieces()
    return RunOutput(
        exec=ExecView.of(record),
        replayed=replayed,
        ended=ended,
        output=pieces,
        left_out_bytes=kept.left_out_bytes,
        left_out_before_piece=seam,
        left_out_after=kept.left_out_after if kept.left_out_bytes else None,
        cursor=cursor,
    )
