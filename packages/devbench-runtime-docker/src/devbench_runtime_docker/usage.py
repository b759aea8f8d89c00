"""What a container uses, from the engine's statistics."""

from __future__ import annotations

from typing import Any

from devbench_core.contracts.powers import Stats
from devbench_core.engines.answers import table

NANO = 1_000_000_000


def stats_of(answer: dict[str, Any]) -> Stats:
    """Return the usage; page cache that the kernel can take back at once is not counted."""
    detail = table(answer, "memory_stats", "stats")
    used: int | None = table(answer, "memory_stats").get("usage")
    cache: int = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    cpu: int | None = table(answer, "cpu_stats", "cpu_usage").get("total_usage")
    return Stats(
        memory_bytes=max(used - cache, 0) if used is not None else None,
        cpu_s=cpu / NANO if cpu is not None else None,
        pids=table(answer, "pids_stats").get("current"),
    )
