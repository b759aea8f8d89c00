"""Writes changes to SQLite: everything is decided before anything is written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from functools import cache

from devbench_store_sql.deciding import Checked, Decided, Outcome, Place, Present, Row, decide, places_of
from devbench_store_sql.statements import ROWS_AT_ONCE, Statement


def apply(connection: sqlite3.Connection, calls: Sequence[Sequence[Checked]]) -> tuple[Outcome, ...]:
    """Do several calls as if one after the other, each wholly or not at all, with few statements for all of them.

    To be called in a transaction that keeps other writers out.
    """
    decided = decide(calls, _present(connection, places_of(calls)))
    _write(connection, decided)
    return decided.outcomes


def _present(connection: sqlite3.Connection, places: set[Place]) -> dict[Place, Present]:
    found: dict[Place, Present] = {}
    keys: dict[str, list[str]] = {}
    for kind, key in places:
        keys.setdefault(kind, []).append(key)
    for kind, some in keys.items():
        for start in range(0, len(some), ROWS_AT_ONCE):
            part = some[start : start + ROWS_AT_ONCE]
            values = {"at_kind": kind, **{f"key_{number}": key for number, key in enumerate(part)}}
            for key, revision, terms in _select(len(part)).run(connection, values).fetchall():
                found[kind, key] = Present(revision=revision, terms=frozenset(json.loads(terms)))
    return found


@cache
def _select(count: int) -> Statement:
    """Return the statement for so many keys of one kind, at most `ROWS_AT_ONCE`."""
    keys = ", ".join(f":key_{number}" for number in range(count))
    return Statement(f"SELECT key, revision, terms FROM records WHERE kind = :at_kind AND key IN ({keys})")  # noqa: S608 - numbers and names of ours


def _write(connection: sqlite3.Connection, decided: Decided) -> None:
    _DELETE.run_each(connection, [{"at_kind": kind, "at_key": key} for kind, key in decided.gone])
    _UPDATE.run_each(connection, [_renamed(row.values()) for row in decided.changed])
    _INSERT.run_rows(connection, [row.values() for row in decided.new])
    _DELETE_TERM.run_each(
        connection,
        [{"at_kind": kind, "at_term": term, "at_key": key} for kind, term, key in decided.old_terms],
    )
    _INSERT_TERM.run_rows(
        connection, [{"kind": kind, "term": term, "key": key} for kind, term, key in decided.new_terms]
    )
    _APPEND.run_rows(connection, decided.entries)


def add_all(
    connection: sqlite3.Connection, rows: Sequence[Row], entries: Sequence[Mapping[str, object]]
) -> None:
    """Write records that are not there, as they are, and rows for logs. To be called in a transaction."""
    _INSERT.run_rows(connection, [row.values() for row in rows])
    terms = [{"kind": row.kind, "term": term, "key": row.key} for row in rows for term in sorted(row.terms)]
    _INSERT_TERM.run_rows(connection, terms)
    _APPEND.run_rows(connection, entries)


def _renamed(values: dict[str, object]) -> dict[str, object]:
    """Return values whose key columns have the names that the WHERE clause uses."""
    return {f"at_{name}" if name in {"kind", "key"} else name: value for name, value in values.items()}


_DELETE = Statement("DELETE FROM records WHERE kind = :at_kind AND key = :at_key")
_UPDATE = Statement(
    "UPDATE records SET revision = :revision, data = :data, terms = :terms WHERE kind = :at_kind AND key = :at_key"
)
_INSERT = Statement(
    "INSERT INTO records (kind, key, revision, data, terms) VALUES (:kind, :key, :revision, :data, :terms)"
)
_DELETE_TERM = Statement(
    "DELETE FROM record_terms WHERE kind = :at_kind AND term = :at_term AND key = :at_key"
)
_INSERT_TERM = Statement("INSERT INTO record_terms (kind, term, key) VALUES (:kind, :term, :key)")
_APPEND = Statement("INSERT INTO logs (log, seq, data) VALUES (:log, :seq, :data) ON CONFLICT DO NOTHING")
