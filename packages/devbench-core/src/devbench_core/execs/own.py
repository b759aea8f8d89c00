"""Commands that this host follows or followed: read from memory, and behind it from the store."""

from __future__ import annotations

from devbench_core.execs.run import Run
from devbench_core.model.execution import Mark, Page


async def page(run: Run, after: int, max_bytes: int, wait_s: float) -> Page | None:
    """Return a page of a command, waiting a while when there is nothing after the cursor.

    None when the store does not have its output any more: it was purged.
    """
    await run.journal.wait(after, wait_s)
    chunks = await run.journal.read(after, max_bytes)
    if not chunks and after < run.journal.last_seq:
        return None
    cursor = chunks[-1].seq if chunks else after
    ending = run.record.ending if run.done.done() and cursor >= run.journal.last_seq else None
    return Page(chunks=chunks, cursor=cursor, ending=ending)


def mark(run: Run) -> Mark:
    """Return how far a command has got."""
    return Mark(seq=run.journal.last_seq, ended=run.done.done() and run.record.ending is not None)
