"""Writes a dump."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from importlib.metadata import version

from devbench_core.contracts.store import Append, LogEntry
from devbench_core.contracts.store_powers import DumpItem
from devbench_core.dumps.form import (
    FORMAT,
    LINE_MAX_BYTES,
    LOG_LINE_BYTES,
    LOG_LINE_ENTRIES,
    VERSION,
    Counts,
    line_of,
)
from devbench_core.errors import TooLarge

PIECE_BYTES = 64 * 1024


async def write_dump(
    items: AsyncIterator[DumpItem], *, made_at: datetime, counts: Counts | None = None
) -> AsyncGenerator[bytes]:
    """Give a dump in pieces.

    Args:
        items: As `SupportsDump.dump` gives them.
        made_at: The time to tell.
        counts: Where what was written is counted.

    Raises:
        TooLarge: A record or an entry is larger than a line may be.
    """
    counted = Counts() if counts is None else counts
    digest = hashlib.sha256()
    head = {
        "format": FORMAT,
        "version": VERSION,
        "made_by": f"devbench-core {version('devbench-core')}",
        "made_at": made_at.isoformat(),
    }
    piece = bytearray(json.dumps(head).encode("ascii") + b"\n")
    async for item in _whole_lines(items):
        piece += _checked(item)
        counted.add(item)
        if len(piece) >= PIECE_BYTES:
            digest.update(piece)
            yield bytes(piece)
            piece.clear()
    digest.update(piece)
    end = {"end": {**counted.values(), "sha256": digest.hexdigest()}}
    yield bytes(piece) + json.dumps(end).encode("ascii") + b"\n"


async def _whole_lines(items: AsyncIterator[DumpItem]) -> AsyncGenerator[DumpItem]:
    """Give items with the entries of each log in lines of about one size, whatever the store's pieces are.

    So the dumps of two stores that hold the same are the same.
    """
    log, some, size = "", list[LogEntry](), 0
    async for item in items:
        if some and not (isinstance(item, Append) and item.log == log):
            yield Append(log=log, entries=tuple(some))
            some, size = [], 0
        if not isinstance(item, Append):
            yield item
            continue
        log = item.log
        for entry in item.entries:
            some.append(entry)
            size += len(entry.data)
            if size >= LOG_LINE_BYTES or len(some) >= LOG_LINE_ENTRIES:
                yield Append(log=log, entries=tuple(some))
                some, size = [], 0
    if some:
        yield Append(log=log, entries=tuple(some))


def _checked(item: DumpItem) -> bytes:
    line = line_of(item)
    if len(line) > LINE_MAX_BYTES:
        name = f"an entry of log {item.log!r}" if isinstance(item, Append) else f"{item.kind} {item.key!r}"
        raise TooLarge(f"{name} is larger than a line of a dump may be", details={"limit": LINE_MAX_BYTES})
    return line
