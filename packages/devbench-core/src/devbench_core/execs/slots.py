"""How many commands run in each container."""

from __future__ import annotations

from collections import Counter

from devbench_core.errors import ConcurrencyLimit
from devbench_core.metrics import EXECS_RUNNING


class Slots:
    """Counts; taking one is a single step, so the limit is exact however many callers there are."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: Counter[str] = Counter()

    def take(self, container_id: str) -> None:
        """Take a slot.

        Raises:
            ConcurrencyLimit: All are taken.
        """
        if self._taken[container_id] >= self._limit:
            raise ConcurrencyLimit(
                f"{self._limit} commands are running in container {container_id!r}",
                hint="wait for one or cancel one; the limit is execs.concurrent_per_container",
                details={"limit": self._limit, "setting": "execs.concurrent_per_container"},
            )
        self._count(container_id)

    def adopt(self, container_id: str) -> None:
        """Count a command that another host had accepted, whatever the limit."""
        self._count(container_id)

    def free(self, container_id: str) -> None:
        """Give a slot back."""
        self._taken[container_id] -= 1
        EXECS_RUNNING.dec()
        if self._taken[container_id] <= 0:
            del self._taken[container_id]

    def taken(self, container_id: str) -> int:
        """Return how many are taken."""
        return self._taken.get(container_id, 0)

    def total(self) -> int:
        """Return how many are taken in all containers."""
        return self._taken.total()

    def _count(self, container_id: str) -> None:
        self._taken[container_id] += 1
        EXECS_RUNNING.inc()
