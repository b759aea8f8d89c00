"""The journal of one command.

Output is shown to readers only when the store has it: a cursor that somebody saw holds on every host, also after
a ``kill -9`` between two batches. The agent keeps what is not acknowledged, so nothing is lost either.
"""

from __future__ import annotations

from collections import deque

import attrs

from devbench_core.bell import Bell
from devbench_core.contracts.store import Append, Store
from devbench_core.journal.entry import Kept, to_entry
from devbench_core.journal.log import log_name, read_chunks
from devbench_core.model.execution import Chunk, StreamName

CHUNK_MAX = 65_536  # bytes of one chunk; smaller pieces that follow each other are joined up to it
CHUNK_COST = 256  # bytes of memory that a chunk takes beside its data


@attrs.define(kw_only=True)
class _Pending:
    """Output that is not written yet; nobody has seen it, so pieces may still be joined."""

    stream: StreamName
    end: int
    parts: list[bytes]
    size: int
    lost: int = 0


class Journal:
    """One writer (the channel's reader), any number of readers.

    Args:
        exec_id: Names the log.
        store: Keeps it.
        batch_bytes: Written in one step.
        memory_bytes: Kept in memory for readers.
        seq: Of the last chunk that the store has, for a command that is adopted.
        offset: The agent's offset just after it.
    """

    def __init__(
        self,
        exec_id: str,
        store: Store,
        *,
        batch_bytes: int,
        memory_bytes: int,
        seq: int = 0,
        offset: int = 0,
    ) -> None:
        self._log = log_name(exec_id)
        self._store = store
        self._batch_max = batch_bytes
        self._ring_max = memory_bytes
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._batch: list[Kept] = []
        self._ring: deque[Chunk] = deque()
        self._ring_bytes = 0
        self._bell = Bell()
        self.last_seq = seq
        self.durable_offset = offset
        self.closed = False
        self._is_cut = False

    @property
    def is_clean(self) -> bool:
        """Whether the store has everything."""
        return not self._pending and not self._batch

    @property
    def has_more(self) -> bool:
        """Whether something waits beyond the present batch."""
        return bool(self._pending)

    @property
    def is_full(self) -> bool:
        """Whether a whole batch waits to be written."""
        return self._pending_bytes >= self._batch_max

    @property
    def memory_bytes(self) -> int:
        """What readers are served from."""
        return self._ring_bytes

    def add(self, end: int, stream: StreamName, data: bytes) -> None:
        """Take output up to the agent's offset ``end``; it is shown once it was `written`."""
        self._pending_bytes += len(data)
        last = self._pending[-1] if self._pending else None
        joins = last is not None and not self._is_cut
        self._is_cut = False
        if joins and last and last.stream is stream and not last.lost and last.size + len(data) <= CHUNK_MAX:
            last.parts.append(data)
            last.size += len(data)
            last.end = end
            return
        self._pending.append(_Pending(stream=stream, end=end, parts=[data], size=len(data)))

    def add_gap(self, start: int, end: int) -> None:
        """Take note that the agent dropped output."""
        self._pending.append(_Pending(stream=StreamName.STDOUT, end=end, parts=[], size=0, lost=end - start))

    def cut(self) -> int:
        """Begin a new chunk with the next output; return the seq of the last one so far, written or not."""
        self._is_cut = True
        return self.last_seq + len(self._batch) + len(self._pending)

    def batch(self) -> Append | None:
        """Return what is to be written next, None for nothing; the same again until it was `written`."""
        if not self._batch:
            self._batch = self._take_batch()
        if not self._batch:
            return None
        return Append(log=self._log, entries=tuple([to_entry(kept) for kept in self._batch]))

    def written(self) -> None:
        """Show the batch: the store has it."""
        batch, self._batch = self._batch, []
        for kept in batch:
            self._ring.append(kept.chunk)
            self._ring_bytes += len(kept.chunk.data) + CHUNK_COST
        self.last_seq = batch[-1].chunk.seq
        self.durable_offset = batch[-1].end
        while self._ring_bytes > self._ring_max and self._ring:
            self._ring_bytes -= len(self._ring.popleft().data) + CHUNK_COST
        self._bell.ring()

    def close(self) -> None:
        """Say that nothing follows; readers that wait are woken."""
        self.closed = True
        self._bell.ring()

    async def read(self, after: int, max_bytes: int) -> tuple[Chunk, ...]:
        """Return chunks after a cursor: at least one when there is any, then as many as fit.

        Raises:
            StoreFailed: Older ones had to be read from the store and could not be.
        """
        if after >= self.last_seq:
            return ()
        first = self.last_seq - len(self._ring) + 1
        if after + 1 < first:
            older = await read_chunks(self._store, self._log, after, max_bytes)
            # the store may have more than it said: an answer can be lost
            return tuple(chunk for chunk in older if chunk.seq <= self.last_seq)
        chosen: list[Chunk] = []
        size = 0
        for index in range(after + 1 - first, len(self._ring)):
            chunk = self._ring[index]
            size += len(chunk.data)
            if chosen and size > max_bytes:
                break
            chosen.append(chunk)
        return tuple(chosen)

    async def wait(self, after: int, wait_s: float) -> None:
        """Wait until there is more after a cursor, the journal is closed, or the time is over."""
        if after >= self.last_seq and not self.closed:
            await self._bell.wait(wait_s)

    def _take_batch(self) -> list[Kept]:
        batch: list[Kept] = []
        size, seq = 0, self.last_seq
        while self._pending and (not batch or size < self._batch_max):
            piece = self._pending.popleft()
            seq += 1
            size += piece.size + CHUNK_COST
            self._pending_bytes -= piece.size
            data = piece.parts[0] if len(piece.parts) == 1 else b"".join(piece.parts)
            chunk = Chunk(seq=seq, stream=piece.stream, data=data, lost_bytes=piece.lost)
            batch.append(Kept(chunk=chunk, end=piece.end))
        return batch
