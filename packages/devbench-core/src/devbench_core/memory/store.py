"""A store that lasts as long as its process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from devbench_core.contracts.checks import (
    check_after,
    check_append,
    check_fence,
    check_item,
    check_limit,
    check_name,
    check_page,
    check_terms,
    decode,
    encode,
    not_empty,
    revision_conflict,
    stale_token,
)
from devbench_core.contracts.store import (
    ABSENT,
    Append,
    Change,
    Fence,
    LogEntry,
    Put,
    Record,
    RecordPage,
    Remove,
    Store,
)

if TYPE_CHECKING:
    from devbench_core.contracts.store_powers import DumpItem, SupportsDump, SupportsLoad

LOG_PART = 100
"""Entries of one log that a dump gives together."""


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
_Fences = dict[str, int]
"""By key the greatest token."""


class MemoryStore:
    """Records and logs in dictionaries. No method awaits in the middle, so each is atomic."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, _Kept]] = {}
        self._logs: dict[str, dict[int, bytes]] = {}
        self._fences: _Fences = {}

    async def get(self, kind: str, key: str) -> Record | None:
        """Return a record, or None."""
        kept = self._records.get(check_name("kind", kind), {}).get(check_name("key", key))
        return None if kept is None else kept.record()

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Do all changes or none."""
        staged: _Staged = {}
        appended = [check_append(change) for change in changes if isinstance(change, Append)]
        fences: _Fences = {}
        results = [self._staged(change, staged, fences) for change in changes]
        self._fences.update(fences)
        for (kind, key), kept in staged.items():
            if kept is None:
                self._records.get(kind, {}).pop(key, None)
            else:
                self._records.setdefault(kind, {})[key] = kept
        for change in appended:
            self._append(change)
        return tuple(None if kept is None else kept.record() for kept in results)

    def _staged(self, change: Change, staged: _Staged, fences: _Fences) -> _Kept | None:
        if isinstance(change, Append):
            return None
        if isinstance(change, Fence):
            self._stage_fence(check_fence(change), fences)
            return None
        return self._stage(change, staged)

    def _stage_fence(self, change: Fence, fences: _Fences) -> None:
        greatest = fences.get(change.key, self._fences.get(change.key, 0))
        if greatest > change.token:
            raise stale_token(change, greatest)
        fences[change.key] = change.token

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

    @asynccontextmanager
    async def dump(self) -> AsyncGenerator[AsyncIterator[DumpItem]]:
        """Give everything as it is now."""
        records = {kind: dict(kept) for kind, kept in self._records.items()}
        logs = {log: dict(kept) for log, kept in self._logs.items()}
        yield _dumped(records, logs)

    async def load(self, items: AsyncIterator[DumpItem], *, replace: bool = False) -> None:
        """Take in all items, or nothing."""
        if not replace:
            self._must_be_empty()
        new = MemoryStore()
        after: tuple[str, ...] = ()
        async for item in items:
            after = check_item(item, after)
            new._take(item)
        if not replace:
            self._must_be_empty()  # who wrote meanwhile was first
        self._records, self._logs = new._records, new._logs

    def _must_be_empty(self) -> None:
        if any(self._records.values()) or self._logs:
            raise not_empty("memory")

    def _take(self, item: DumpItem) -> None:
        if isinstance(item, Append):
            return self._append(item)
        kept = _Kept(item.kind, item.key, item.revision, encode(item.data), item.terms)
        self._records.setdefault(item.kind, {})[item.key] = kept
        return None


async def _dumped(
    records: dict[str, dict[str, _Kept]], logs: dict[str, dict[int, bytes]]
) -> AsyncGenerator[DumpItem]:
    for _, kept in sorted(records.items()):
        for _, record in sorted(kept.items()):
            yield record.record()
    for log, entries in sorted(logs.items()):
        seqs = sorted(entries)
        for start in range(0, len(seqs), LOG_PART):
            some = seqs[start : start + LOG_PART]
            yield Append(log=log, entries=tuple([LogEntry(seq=seq, data=entries[seq]) for seq in some]))


if TYPE_CHECKING:
    _: type[Store] = MemoryStore
    _dump: type[SupportsDump] = MemoryStore
    _load: type[SupportsLoad] = MemoryStore
