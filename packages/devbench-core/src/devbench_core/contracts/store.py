"""The state store: small records with a revision, and append-only logs of bytes."""

from __future__ import annotations

from typing import Protocol

from devbench_core.json_types import JsonObject
from devbench_core.values import frozen

__all__ = [
    "ABSENT",
    "Append",
    "Change",
    "Fence",
    "LogEntry",
    "Put",
    "Record",
    "RecordPage",
    "Remove",
    "Store",
]

ABSENT = 0
"""The revision to expect of a record that must not exist yet."""


@frozen
class Record:
    """One stored record.

    Attributes:
        kind: The collection, for example ``container``.
        key: Unique within the kind.
        revision: 1 at creation, one more at each change.
        data: JSON-compatible.
        terms: The words it can be found by, for example ``alias=web`` or ``label:team=x``.
    """

    kind: str
    key: str
    revision: int
    data: JsonObject
    terms: frozenset[str] = frozenset()


@frozen
class Put:
    """Write a record.

    Attributes:
        expect: The revision that it must have now, `ABSENT` for none, None for whatever is there.
    """

    kind: str
    key: str
    data: JsonObject
    terms: frozenset[str] = frozenset()
    expect: int | None = None


@frozen
class Remove:
    """Delete a record. Without an expectation an absent record is fine; with one it is a conflict."""

    kind: str
    key: str
    expect: int | None = None


@frozen
class LogEntry:
    """One entry of a log.

    Attributes:
        seq: Given by the writer, rising; writing the same seq again changes nothing.
        data: Opaque bytes.
    """

    seq: int
    data: bytes


@frozen
class Append:
    """Add entries to a log. An entry whose seq is there already is skipped: the log's is kept.

    Attributes:
        log: Its name; a log is there once it has an entry.
        entries: In any order.
    """

    log: str
    entries: tuple[LogEntry, ...]


@frozen
class Fence:
    """Refuse the call when a lease of a lock was superseded: a greater token of its key was seen before.

    Otherwise this one is kept as the greatest, together with the other changes of the call or not at all. So of two
    who both believe that they hold a key only the later one changes anything, from his first change on. What is kept
    is no record, and never goes.

    Attributes:
        key: What is locked, up to 200 characters.
        token: The lease's (`devbench_core.contracts.lock.Lease`), 1 or more.
    """

    key: str
    token: int


Change = Put | Remove | Append | Fence
"""One part of what `Store.apply` does."""


@frozen
class RecordPage:
    """Records in the order of their keys; ``cursor`` is "" when there are no more."""

    records: tuple[Record, ...]
    cursor: str = ""


class Store(Protocol):
    """Durable state. When a call returns, its change survives a ``kill -9`` (not for the in-memory store).

    Every method may raise `StoreFailed` when the store is corrupt, read-only, full, locked beyond its busy
    timeout, or unreachable; then nothing of that call was done, unless it says *outcome unknown*.
    Keys and kinds are up to 200 characters.
    """

    async def get(self, kind: str, key: str) -> Record | None:
        """Return a record, or None."""
        ...

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Do all changes or none, as seen by every reader.

        Returns:
            For each change in order the new record, None for a removal, for what was added to a log, and for a fence.

        Raises:
            Conflict: An expectation did not hold; ``details`` hold ``kind``, ``key`` and the ``revision`` found
                (0 for absent). Nothing was changed.
            StaleToken: A greater token of a fence's key was seen; ``details`` hold ``key``, ``token`` and the
                ``greatest``. Nothing was changed.
        """
        ...

    async def list(
        self, kind: str, *, terms: frozenset[str] = frozenset(), after: str = "", limit: int = 100
    ) -> RecordPage:
        """Return records of a kind that have all the terms, by rising key, beginning after a key.

        Args:
            kind: The collection.
            terms: All of them must be on the record.
            after: The cursor of the last page, "" for the first.
            limit: 1-1000.
        """
        ...

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        """Return up to ``limit`` entries with a seq above ``after``, rising. An unknown log is empty."""
        ...

    async def drop(self, log: str) -> None:
        """Delete a log. An absent one is fine."""
        ...
