"""A store that lasts as long as its process."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from devbench_core.contracts.checks import check_list, check_name, revision_conflict
from devbench_core.contracts.store import ABSENT, LogEntry, Put, Record, RecordPage, Remove, Store


class MemoryStore:
    """Records and logs in dictionaries. No method awaits in the middle, so each is atomic."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Record]] = {}
        self._logs: dict[str, dict[int, bytes]] = {}

    async def get(self, kind: str, key: str) -> Record | None:
        """Return a record, or None."""
        record = self._records.get(check_name("kind", kind), {}).get(check_name("key", key))
        return copy.deepcopy(record)

    async def apply(self, *changes: Put | Remove) -> tuple[Record | None, ...]:
        """Do all changes or none."""
        staged: dict[tuple[str, str], Record | None] = {}
        results = [self._stage(change, staged) for change in changes]
        for (kind, key), record in staged.items():
            if record is None:
                self._records.get(kind, {}).pop(key, None)
            else:
                self._records.setdefault(kind, {})[key] = record
        return tuple(copy.deepcopy(results))

    def _stage(self, change: Put | Remove, staged: dict[tuple[str, str], Record | None]) -> Record | None:
        where = (check_name("kind", change.kind), check_name("key", change.key))
        present = staged[where] if where in staged else self._records.get(change.kind, {}).get(change.key)
        found = present.revision if present else ABSENT
        if change.expect is not None and change.expect != found:
            raise revision_conflict(change, found)
        if isinstance(change, Remove):
            staged[where] = None
            return None
        record = Record(
            kind=change.kind,
            key=change.key,
            revision=found + 1,
            data=copy.deepcopy(change.data),
            terms=frozenset(change.terms),
        )
        staged[where] = record
        return record

    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        """Return a page of records with all the terms, by key."""
        check_name("kind", kind)
        check_list(limit)
        records = self._records.get(kind, {})
        keys = sorted(key for key, record in records.items() if key > after and terms <= record.terms)
        page = tuple(copy.deepcopy(records[key]) for key in keys[:limit])
        return RecordPage(records=page, cursor=page[-1].key if len(keys) > limit else "")

    async def append(self, log: str, entries: Sequence[LogEntry]) -> None:
        """Add entries; those that are there already are skipped."""
        kept = self._logs.setdefault(check_name("log", log), {})
        for entry in entries:
            kept.setdefault(entry.seq, entry.data)

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        """Return entries above a seq, rising."""
        check_list(limit)
        kept = self._logs.get(check_name("log", log), {})
        seqs = sorted(seq for seq in kept if seq > after)[:limit]
        return tuple(LogEntry(seq=seq, data=kept[seq]) for seq in seqs)

    async def drop(self, log: str) -> None:
        """Delete a log."""
        self._logs.pop(check_name("log", log), None)


if TYPE_CHECKING:
    _: type[Store] = MemoryStore
