"""The beginning and the end of a journal, read with a bound however long it is."""

from __future__ import annotations

from devbench_core.contracts.store import Store
from devbench_core.journal.entry import Kept, from_entry
from devbench_core.model.execution import Ends

READ_ENTRIES = 8  # entries read at once: at most half a mebibyte


async def read_ends(
    store: Store, log: str, *, after: int = 0, last: int, limit_bytes: int, limit_chunks: int
) -> Ends:
    """Return enough whole chunks from both sides to fill half of each limit, and all when all fits.

    Args:
        store: Has the log.
        log: Its name.
        after: The seq before its first chunk, as far as the reader is concerned.
        last: The seq of its last chunk, as far as the reader is concerned.
        limit_bytes: Of both sides together; a chunk that crosses the limit is there as a whole.
        limit_chunks: Of both sides together.

    Raises:
        StoreFailed: The store could not be read.
    """
    head = await _first(store, log, after, last, limit_bytes // 2, limit_chunks // 2)
    begins = head[-1].chunk.seq if head else after
    tail = await _last(store, log, last, begins, limit_bytes - limit_bytes // 2, limit_chunks // 2)
    skipped = 0
    if head and tail:
        first = tail[0].chunk
        skipped = tail[0].end - len(first.data) - first.lost_bytes - head[-1].end
    return Ends(
        head=tuple(kept.chunk for kept in head),
        skipped_bytes=skipped,
        tail=tuple(kept.chunk for kept in tail),
        cursor=last,
    )


async def _first(
    store: Store, log: str, floor: int, last: int, most_bytes: int, most_chunks: int
) -> list[Kept]:
    found: list[Kept] = []
    size = 0
    while size <= most_bytes and len(found) < most_chunks:
        after = found[-1].chunk.seq if found else floor
        some = await _read(store, log, after, min(READ_ENTRIES, last - after))
        for kept in some:
            found.append(kept)
            size += len(kept.chunk.data)
            if size > most_bytes or len(found) >= most_chunks:
                break
        if not some:
            break
    return found


async def _last(
    store: Store, log: str, last: int, floor: int, most_bytes: int, most_chunks: int
) -> list[Kept]:
    found: list[Kept] = []
    size, before = 0, last  # the last chunk that was not looked at yet
    while before > floor and size < most_bytes and len(found) < most_chunks:
        after = max(floor, before - READ_ENTRIES)
        some = await _read(store, log, after, before - after)
        if not some:
            break
        for kept in reversed(some):
            if size >= most_bytes or len(found) >= most_chunks:
                break
            found.append(kept)
            size += len(kept.chunk.data)
        before = after
    found.reverse()
    return found


async def _read(store: Store, log: str, after: int, limit: int) -> list[Kept]:
    if limit <= 0:
        return []
    return [from_entry(entry) for entry in await store.read(log, after=after, limit=limit)]
