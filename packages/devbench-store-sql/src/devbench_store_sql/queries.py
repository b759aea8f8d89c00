"""Reads records and logs. Each read is one statement, or does not need two to agree."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    exists,
    func,
    literal,
    select,
    union_all,
)

from devbench_core.contracts.checks import decode
from devbench_core.contracts.store import LogEntry, Record, RecordPage
from devbench_store_sql.tables import logs, record_terms, records

RARE = 1000
"""How far the records of a term are counted, to find which of several terms is the rarest."""


def get(connection: Connection, kind: str, key: str) -> Record | None:
    """Return a record, or None."""
    row = connection.execute(_GET, {"at_kind": kind, "at_key": key}).one_or_none()
    return None if row is None else _record(kind, row)


def page(connection: Connection, kind: str, terms: frozenset[str], after: str, limit: int) -> RecordPage:
    """Return a page of the records that have all the terms."""
    query = _with_terms(kind, _rarest_first(connection, kind, terms)) if terms else _of_kind(kind)
    order = record_terms.c.key if terms else records.c.key
    rows = connection.execute(query.where(order > after).order_by(order).limit(limit + 1))
    found = [_record(kind, row) for row in rows]
    shown = tuple(found[:limit])
    return RecordPage(records=shown, cursor=shown[-1].key if len(found) > limit else "")


def read_log(connection: Connection, log: str, after: int, limit: int) -> tuple[LogEntry, ...]:
    """Return the entries of a log above a sequence number."""
    rows = connection.execute(_READ_LOG, {"log_name": log, "after": after, "count": limit})
    return tuple(LogEntry(seq=row.seq, data=row.data) for row in rows)


def _rarest_first(connection: Connection, kind: str, terms: frozenset[str]) -> list[str]:
    """Order terms so that the query walks along the fewest records, not along all of a tenant."""
    ordered = sorted(terms)
    if len(ordered) == 1:
        return ordered
    counts = [
        select(literal(term).label("term"), func.count().label("found")).select_from(
            select(record_terms.c.key)
            .where(record_terms.c.kind == kind, record_terms.c.term == term)
            .limit(RARE)
            .subquery()
        )
        for term in ordered
    ]
    found: dict[str, int] = {row.term: row.found for row in connection.execute(union_all(*counts))}
    return sorted(ordered, key=lambda term: found[term])


def _of_kind(kind: str) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(records.c.kind == kind)


def _with_terms(kind: str, terms: list[str]) -> Select[*tuple[Any, ...]]:
    rarest, *others = terms
    query = (
        select(*_COLUMNS)
        .join_from(
            record_terms,
            records,
            (records.c.kind == record_terms.c.kind) & (records.c.key == record_terms.c.key),
        )
        .where(record_terms.c.kind == kind, record_terms.c.term == rarest)
    )
    return query.where(*(_has(kind, term) for term in others))


def _has(kind: str, term: str) -> ColumnElement[bool]:
    other = record_terms.alias()
    return exists().where(other.c.kind == kind, other.c.term == term, other.c.key == record_terms.c.key)


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
