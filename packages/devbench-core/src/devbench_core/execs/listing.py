"""The commands of a container, as its records and this host know them."""

from __future__ import annotations

import heapq
from datetime import datetime

from devbench_core.contracts.store import Store
from devbench_core.execs import records
from devbench_core.execs.runs import Runs
from devbench_core.model.execution import Exec

LIST_MAX = 1000


async def newest(store: Store, runs: Runs, container_id: str, *terms: str) -> tuple[Exec, ...]:
    """Return the newest commands that have all these words, the oldest of them first, at most `LIST_MAX`."""
    kept: list[tuple[datetime, str, Exec]] = []
    async for record in records.of_container(store, container_id, *terms):
        run = runs.followed(record.key)
        found = run.record if run is not None else records.read(record)
        heapq.heappush(kept, (found.created_at, found.id, found))
        if len(kept) > LIST_MAX:
            heapq.heappop(kept)
    return tuple(found for _, _, found in sorted(kept, key=lambda each: each[:2]))
