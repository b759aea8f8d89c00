"""Reads records and logs. Each read is one statement, or does not need two to agree."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache

from devbench_core.contracts.store import LogEntry, Record, RecordPage
from devbench_store_sql.rows import record_of
from devbench_store_sql.statements import Statement

RARE = 1000
"""How far the records of a term are counted, to find which of several terms is the rarest."""

STATEMENTS_MAX = 64
"""How many statements are kept; one for each number of terms that somebody searches by."""


def get(connection: sqlite3.Connection, kind: str, key: str) -> Record | None:
    """Return a record, or None."""
    row = _GET.run(connection, {"at_kind": kind, "at_key": key}).fetchone()
    return None if row is None else record_of(kind, row)


def page(
    connection: sqlite3.Connection, kind: str, terms: frozenset[str], after: str, limit: int
) -> RecordPage:
    """Return a page of the records that have all the terms."""
    wanted = _rarest_first(connection, kind, terms)
    values = {"at_kind": kind, "after": after, "count": limit + 1, **_numbered(wanted)}
    rows = _page_query(len(wanted)).run(connection, values).fetchall()
    found = [record_of(kind, row) for row in rows]
    shown = tuple(found[:limit])
    return RecordPage(records=shown, cursor=shown[-1].key if len(found) > limit else "")


def read_log(connection: sqlite3.Connection, log: str, after: int, limit: int) -> tuple[LogEntry, ...]:
    """Return the entries of a log above a sequence number."""
    rows = _READ_LOG.run(connection, {"log_name": log, "after": after, "count": limit}).fetchall()
    return tuple([LogEntry(seq=seq, data=data) for seq, data in rows])


def _rarest_first(connection: sqlite3.Connection, kind: str, terms: frozenset[str]) -> list[str]:
    """Order terms so that the query walks along the fewest records, not along all of a tenant."""
    ordered = sorted(terms)
    if len(ordered) < 2:
        return ordered
    rows = _count_query(len(ordered)).run(connection, {"at_kind": kind, **_numbered(ordered)}).fetchall()
    found: dict[int, int] = dict(rows)
    return [ordered[number] for number in sorted(found, key=lambda number: found[number])]


def _numbered(terms: Sequence[str]) -> dict[str, str]:
    return {f"term_{number}": term for number, term in enumerate(terms)}


# The driver keeps what it prepared of a statement by its text.


@lru_cache(STATEMENTS_MAX)
def _count_query(terms: int) -> Statement:
    """Return the statement that counts the records of each term, up to `RARE`."""
    return Statement(
        " UNION ALL ".join(
            f"SELECT {number}, count(*) FROM "  # noqa: S608 - numbers and names of ours
            f"(SELECT key FROM record_terms WHERE kind = :at_kind AND term = :term_{number} LIMIT {RARE})"
            for number in range(terms)
        )
    )


@lru_cache(STATEMENTS_MAX)
def _page_query(terms: int) -> Statement:
    """Return the statement for a page: along the first term, or along the kind when there is none."""
    if terms == 0:
        return Statement(
            f"SELECT {_COLUMNS} FROM records WHERE kind = :at_kind AND key > :after ORDER BY key LIMIT :count"  # noqa: S608 - numbers and names of ours
        )
    others = "".join(
        " AND EXISTS (SELECT * FROM record_terms AS other"  # noqa: S608 - numbers and names of ours
        f" WHERE other.kind = :at_kind AND other.term = :term_{number} AND other.key = record_terms.key)"
        for number in range(1, terms)
    )
    return Statement(
        f"SELECT {_COLUMNS} FROM record_terms"  # noqa: S608 - numbers and names of ours
        " JOIN records ON records.kind = record_terms.kind AND records.key = record_terms.key"
        f" WHERE record_terms.kind = :at_kind AND record_terms.term = :term_0{others}"
        " AND record_terms.key > :after ORDER BY record_terms.key LIMIT :count"
    )


_COLUMNS = "records.key, records.revision, records.data, records.terms"
_GET = Statement(f"SELECT {_COLUMNS} FROM records WHERE kind = :at_kind AND key = :at_key")  # noqa: S608 - numbers and names of ours
_READ_LOG = Statement(
    "SELECT seq, data FROM logs WHERE log = :log_name AND seq > :after ORDER BY seq LIMIT :count"
)
