"""Reads records and logs. Each read is one statement, or does not need two to agree."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Integer,
    Row,
    Select,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    union_all,
)

from devbench_core.contracts.checks import decode
from devbench_core.contracts.store import LogEntry, Record, RecordPage
from devbench_store_sql.tables import logs, record_terms, records

RARE = 1000
"""How far the records of a term are counted, to find which of several terms is the rarest."""

STATEMENTS_MAX = 64
"""How many statements are kept; one for each number of terms that somebody searches by."""


def get(connection: Connection, kind: str, key: str) -> Record | None:
    """Return a record, or None."""
    row = connection.execute(_GET, {"at_kind": kind, "at_key": key}).one_or_none()
    return None if row is None else _record(kind, row)


def page(connection: Connection, kind: str, terms: frozenset[str], after: str, limit: int) -> RecordPage:
    """Return a page of the records that have all the terms."""
    wanted = _rarest_first(connection, kind, terms)
    values = {"at_kind": kind, "after": after, "count": limit + 1, **_numbered(wanted)}
    found = [_record(kind, row) for row in connection.execute(_page_query(len(wanted)), values)]
    shown = tuple(found[:limit])
    return RecordPage(records=shown, cursor=shown[-1].key if len(found) > limit else "")


def read_log(connection: Connection, log: str, after: int, limit: int) -> tuple[LogEntry, ...]:
    """Return the entries of a log above a sequence number."""
    rows = connection.execute(_READ_LOG, {"log_name": log, "after": after, "count": limit})
    return tuple(LogEntry(seq=row.seq, data=row.data) for row in rows)


def _rarest_first(connection: Connection, kind: str, terms: frozenset[str]) -> list[str]:
    """Order terms so that the query walks along the fewest records, not along all of a tenant."""
    ordered = sorted(terms)
    if len(ordered) < 2:
        return ordered
    rows = connection.execute(_count_query(len(ordered)), {"at_kind": kind, **_numbered(ordered)})
    found: dict[int, int] = {row.number: row.found for row in rows}
    return [ordered[number] for number in sorted(found, key=lambda number: found[number])]


def _numbered(terms: Sequence[str]) -> dict[str, str]:
    return {f"term_{number}": term for number, term in enumerate(terms)}


# Building a statement costs more than running it, so they are built once for each number of terms.


@lru_cache(STATEMENTS_MAX)
def _count_query(terms: int) -> Executable:
    """Return the statement that counts the records of each term, up to `RARE`."""
    return union_all(
        *(
            select(
                literal_column(str(number), Integer).label("number"), func.count().label("found")
            ).select_from(
                select(record_terms.c.key)
                .where(
                    record_terms.c.kind == bindparam("at_kind"),
                    record_terms.c.term == bindparam(f"term_{number}"),
                )
                .limit(RARE)
                .subquery()
            )
            for number in range(terms)
        )
    )


@lru_cache(STATEMENTS_MAX)
def _page_query(terms: int) -> Executable:
    """Return the statement for a page: along the first term, or along the kind when there is none."""
    if terms == 0:
        query = select(*_COLUMNS).where(records.c.kind == bindparam("at_kind"))
        return _paged(query, records.c.key)
    query = (
        select(*_COLUMNS)
        .join_from(
            record_terms,
            records,
            (records.c.kind == record_terms.c.kind) & (records.c.key == record_terms.c.key),
        )
        .where(record_terms.c.kind == bindparam("at_kind"), record_terms.c.term == bindparam("term_0"))
        .where(*(_has(f"term_{number}") for number in range(1, terms)))
    )
    return _paged(query, record_terms.c.key)


def _paged(query: Select[*tuple[Any, ...]], key: ColumnElement[str]) -> Executable:
    return query.where(key > bindparam("after")).order_by(key).limit(bindparam("count"))


def _has(name: str) -> ColumnElement[bool]:
    other = record_terms.alias()
    return exists().where(
        other.c.kind == bindparam("at_kind"),
        other.c.term == bindparam(name),
        other.c.key == record_terms.c.key,
    )


def _record(kind: str, row: Row[*tuple[Any, ...]]) -> Record:
    return Record(
        kind=kind,
        key=row.key,
        revision=row.revision,
        data=decode(row.data),
        terms=frozenset(json.loads(row.terms)),
    )


_COLUMNS = (records.c.key, records.c.revision, records.c.data, records.c.terms)
_GET = select(*_COLUMNS).where(records.c.kind == bindparam("at_kind"), records.c.key == bindparam("at_key"))
_READ_LOG = (
    select(logs.c.seq, logs.c.data)
    .where(logs.c.log == bindparam("log_name"), logs.c.seq > bindparam("after"))
    .order_by(logs.c.seq)
    .limit(bindparam("count"))
)
