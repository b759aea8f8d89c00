"""A store that lasts as long as its process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from devbench_core.contracts.checks import (
    check_after,
    check_append,
    check_limit,
    check_name,
    check_page,
    check_terms,
    decode,
    encode,
    revision_conflict,
)
from devbench_core.contracts.store import (
    ABSENT,
    Append,
    Change,
    LogEntry,
    Put,
    Record,
    RecordPage,
    Remove,
    Store,
)


@attrs.frozen
class _Kept:
    """A record as it is kept: as text, so that nobody can change it from outside."""

    kind: str
    key: str
    revision: int
    text: str
    terms: frozenset[str]

    def record(self) -> Record:
        return Record(
            kind=self.kind, key=self.key, revision=self.revision, data=decode(self.text), terms=self.terms
        )


_Staged = dict[tuple[str, str], "_Kept | None"]


class MemoryStore:
    """Records and logs in dictionaries. No method awaits in the middle, so each is atomic."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, _Kept]] = {}
        self._logs: dict[str, dict[int, bytes]] = {}

    async def get(self, kind: str, key: str) -> Record | None:
        """Return a record, or None."""
        kept = self._records.get(check_name("kind", kind), {}).get(check_name("key", key))
        return None if kept is None else kept.record()

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Do all changes or none."""
        staged: _Staged = {}
        appended = [check_append(change) for change in changes if isinstance(change, Append)]
        results = [None if isinstance(change, Append) else self._stage(change, staged) for change in changes]
        for (kind, key), kept in staged.items():
            if kept is None:
                self._records.get(kind, {}).pop(key, None)
            else:
                self._records.setdefault(kind, {})[key] = kept
        for change in appended:
            self._append(change)
        return tuple(None if kept is None else kept.record() for kept in results)

    def _stage(self, change: Put | Remove, staged: _Staged) -> _Kept | None:
        where = (check_name("kind", change.kind), check_name("key", change.key))
        present = staged[where] if where in staged else self._records.get(change.kind, {}).get(change.key)
        found = present.revision if present else ABSENT
        if change.expect is not None and change.expect != found:
            raise revision_conflict(change, found)
        staged[where] = None
        if isinstance(change, Put):
            terms = check_terms(change.terms)
            staged[where] = _Kept(change.kind, change.key, found + 1, encode(change.data), terms)
        return staged[where]

    def _append(self, change: Append) -> None:
        new = {entry.seq: entry.data for entry in reversed(change.entries)}  # the first of a seq wins
        if new:
            kept = self._logs.setdefault(change.log, {})
            kept.update({seq: bytes(data) for seq, data in new.items() if seq not in kept})

    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        """Return a page of records with all the terms, by key."""
        check_name("kind", kind)
        check_page(after, limit)
        wanted = check_terms(terms)
        records = self._records.get(kind, {})
        keys = sorted(key for key, kept in records.items() if key > after and wanted <= kept.terms)
        page = tuple(records[key].record() for key in keys[:limit])
        return RecordPage(records=page, cursor=page[-1].key if len(keys) > limit else "")

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        """Return entries above a seq, rising."""
        check_limit(limit)
        check_after(after)
        kept = self._logs.get(check_name("log", log), {})
        seqs = sorted(seq for seq in kept if seq > after)[:limit]
        return tuple(LogEntry(seq=seq, data=kept[seq]) for seq in seqs)

    async def drop(self, log: str) -> None:
        """Delete a log."""
        self._logs.pop(check_name("log", log), None)


if TYPE_CHECKING:
    _: type[Store] = MemoryStore
