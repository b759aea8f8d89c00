"""Removes calls that nobody waits for: whoever asked died, and so did whom they were for."""

from __future__ import annotations

from datetime import timedelta

from devbench_core.clock import Clock
from devbench_core.contracts.store import Remove, Store
from devbench_core.errors import Conflict, StoreFailed
from devbench_core.forwarding import records

KEPT = timedelta(hours=1)
"""Beyond its time: clocks of hosts differ."""


async def sweep(store: Store, clock: Clock, batch: int) -> int:
    """Look at so many calls, and return how many were removed."""
    removed = 0
    for record in (await store.list(records.KIND, limit=batch)).records:
        try:
            if clock.now() - records.read(record).expires_at < KEPT:
                continue
        except StoreFailed:
            continue  # of a newer version, which sweeps it
        try:
            await store.apply(Remove(kind=records.KIND, key=record.key, expect=record.revision))
        except Conflict:
            continue  # somebody answered it after all
        removed += 1
    return removed
