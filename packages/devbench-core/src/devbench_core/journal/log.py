"""A journal's log in the store, read by any host."""

from __future__ import annotations

from devbench_core.contracts.store import Store
from devbench_core.journal.entry import from_entry
from devbench_core.model.execution import Chunk

READ_ENTRIES = 16  # entries read at once: at most a mebibyte
SEQ_MAX = 2**62


def log_name(exec_id: str) -> str:
    """Return the name of a command's log."""
    return f"journal/{exec_id}"


async def read_chunks(store: Store, log: str, after: int, max_bytes: int) -> tuple[Chunk, ...]:
    """Return chunks after a cursor: at least one when there is any, then as many as fit.

    Raises:
        StoreFailed: The store could not be read.
    """
    chosen: list[Chunk] = []
    size = 0
    while True:
        entries = await store.read(log, after=after, limit=READ_ENTRIES)
        for entry in entries:
            chunk = from_entry(entry).chunk
            size += len(chunk.data)
            if chosen and size > max_bytes:
                return tuple(chosen)
            chosen.append(chunk)
            after = chunk.seq
        if len(entries) < READ_ENTRIES:
            return tuple(chosen)


async def find_end(store: Store, log: str, *, known: int = 0) -> tuple[int, int]:
    """Return the last seq of a log and the agent's offset after it, 0 and 0 when it is empty.

    Sequence numbers have no gaps, so the end is found by doubling and halving: few reads, however long the log.

    Args:
        store: Has it.
        log: Its name.
        known: A seq that is in the log, to begin from there.

    Raises:
        StoreFailed: The store could not be read.
    """
    low, high = known, known + 1  # there is an entry at low (or low is 0); is there one at high?
    while high < SEQ_MAX and await store.read(log, after=high - 1, limit=1):
        low, high = high, known + 2 * (high - known)
    while high - low > 1:
        middle = (low + high) // 2
        if await store.read(log, after=middle - 1, limit=1):
            low = middle
        else:
            high = middle
    if not low:
        return 0, 0
    (last,) = await store.read(log, after=low - 1, limit=1)
    return low, from_entry(last).end
