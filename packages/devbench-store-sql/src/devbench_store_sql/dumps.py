"""Rows and items of dumps, whatever the database."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

import attrs

from devbench_core.contracts.checks import check_item, encode
from devbench_core.contracts.store import Append, LogEntry
from devbench_core.contracts.store_powers import DumpItem
from devbench_store_sql.deciding import Row
from devbench_store_sql.rows import record_of

BATCH_BYTES = 512 * 1024
BATCH_ITEMS = 500


@attrs.define
class Batch:
    """What is written together: records, and rows for logs."""

    rows: list[Row] = attrs.field(factory=list[Row])
    entries: list[Mapping[str, object]] = attrs.field(factory=list[Mapping[str, object]])
    size: int = 0

    def add(self, item: DumpItem) -> None:
        """Add an item that was checked."""
        if isinstance(item, Append):
            self.entries += [{"log": item.log, "seq": e.seq, "data": e.data} for e in item.entries]
            self.size += sum([len(entry.data) for entry in item.entries])
            return
        row = Row(
            kind=item.kind, key=item.key, revision=item.revision, data=encode(item.data), terms=item.terms
        )
        self.rows.append(row)
        self.size += len(row.data)

    @property
    def full(self) -> bool:
        """Whether it is time to write."""
        return self.size >= BATCH_BYTES or len(self.rows) + len(self.entries) >= BATCH_ITEMS


async def batches(items: AsyncIterator[DumpItem]) -> AsyncGenerator[Batch]:
    """Give checked items in parts of about one size.

    Raises:
        ValidationFailed: One is out of order, or none that a store takes.
    """
    batch, after = Batch(), ()
    async for item in items:
        after = check_item(item, after)
        batch.add(item)
        if batch.full:
            yield batch
            batch = Batch()
    if batch.size or batch.rows or batch.entries:
        yield batch


def records_of(rows: Iterable[tuple[Any, ...]]) -> Iterator[DumpItem]:
    """Return the records of rows.

    Raises:
        StoreUnusable: One is not what was written.
    """
    for kind, key, revision, data, terms in rows:
        yield record_of(kind, (key, revision, data, terms))


def entries_of(rows: Iterable[tuple[Any, ...]]) -> Iterator[DumpItem]:
    """Return the entries of rows, those of one log together."""
    for log, some in groupby(rows, key=lambda row: row[0]):
        yield Append(log=log, entries=tuple([LogEntry(seq=seq, data=data) for _, seq, data in some]))
