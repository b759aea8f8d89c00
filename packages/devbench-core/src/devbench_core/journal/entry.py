"""One chunk of output as an entry of a log: where it ends in the agent's count, which stream, what was lost."""

from __future__ import annotations

import struct

from devbench_core.contracts.store import LogEntry
from devbench_core.errors import StoreFailed
from devbench_core.model.execution import Chunk, StreamName
from devbench_core.values import frozen

FORM = struct.Struct(">BBQQ")
VERSION = 1


@frozen
class Kept:
    """A chunk and the agent's offset just after it, so that the next host knows where to go on."""

    chunk: Chunk
    end: int


def to_entry(kept: Kept) -> LogEntry:
    """Return the entry for a chunk; its seq is the chunk's."""
    chunk = kept.chunk
    head = FORM.pack(VERSION, chunk.stream, kept.end, chunk.lost_bytes)
    return LogEntry(seq=chunk.seq, data=head + chunk.data)


def from_entry(entry: LogEntry) -> Kept:
    """Return the chunk of an entry.

    Raises:
        StoreFailed: It was not written by `to_entry`.
    """
    try:
        _, stream, end, lost = FORM.unpack_from(entry.data)
        name = StreamName(stream)
    except (struct.error, ValueError) as error:
        raise StoreFailed(
            f"entry {entry.seq} of a journal cannot be read: {error}",
            hint="it was written by another version, or the store is damaged",
        ) from error
    chunk = Chunk(seq=entry.seq, stream=name, data=entry.data[FORM.size :], lost_bytes=lost)
    return Kept(chunk=chunk, end=end)
