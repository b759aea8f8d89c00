"""A store that hands everything on: for those that add something to what is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devbench_core.contracts.store import Change, LogEntry, Record, RecordPage, Store


class PassingStore:
    """Goes through to another store.

    Args:
        store: Where everything goes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, kind: str, key: str) -> Record | None:
        """Return a record, or None."""
        return await self._store.get(kind, key)

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Do all changes or none."""
        return await self._store.apply(*changes)

    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        """Return a page of records with all the terms, by key."""
        return await self._store.list(kind, terms=terms, after=after, limit=limit)

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        """Return entries above a seq, rising."""
        return await self._store.read(log, after=after, limit=limit)

    async def drop(self, log: str) -> None:
        """Delete a log."""
        await self._store.drop(log)


if TYPE_CHECKING:
    _: type[Store] = PassingStore
