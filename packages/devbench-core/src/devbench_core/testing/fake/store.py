"""A store in memory whose calls fail, wait and get lost as a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from devbench_core.contracts.store import Change, LogEntry, Record, RecordPage, Store
from devbench_core.memory.store import MemoryStore
from devbench_core.testing.fake.clock import FakeClock
from devbench_core.testing.fake.faults import Faults

StoreCall = Literal["get", "apply", "list", "read", "drop"]


class FakeStore:
    """A `MemoryStore` with faults; what it holds outlives every bench that is opened on it.

    Attributes:
        faults: What happens to its calls, and which were made.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.faults = Faults[StoreCall](StoreCall, clock or FakeClock())
        self._memory = MemoryStore()

    async def get(self, kind: str, key: str) -> Record | None:
        """Return a record, or None."""
        async with self.faults.on("get", kind, key):
            return await self._memory.get(kind, key)

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Do all changes or none."""
        async with self.faults.on("apply", *changes):
            return await self._memory.apply(*changes)

    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        """Return a page of records with all the terms, by key."""
        async with self.faults.on("list", kind, terms, after, limit):
            return await self._memory.list(kind, terms=terms, after=after, limit=limit)

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        """Return entries above a seq, rising."""
        async with self.faults.on("read", log, after, limit):
            return await self._memory.read(log, after=after, limit=limit)

    async def drop(self, log: str) -> None:
        """Delete a log."""
        async with self.faults.on("drop", log):
            await self._memory.drop(log)


if TYPE_CHECKING:
    _: type[Store] = FakeStore
