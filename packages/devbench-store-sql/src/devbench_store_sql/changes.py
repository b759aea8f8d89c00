"""Applies changes: everything is decided before anything is written, so a call with a conflict writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import cast

import attrs
from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or_skip

from devbench_core.contracts.checks import (
    check_append,
    check_name,
    check_terms,
    decode,
    encode,
    revision_conflict,
)
from devbench_core.contracts.store import ABSENT, Append, Change, Put, Record, Remove
from devbench_core.errors import DevbenchError
from devbench_store_sql.statements import ROWS_AT_ONCE, Statement
from devbench_store_sql.tables import logs, record_terms, records

Place = tuple[str, str]


@attrs.frozen(kw_only=True)
class Row:
    """A record as it is stored."""

    kind: str
    key: str
    revision: int
    data: str
    terms: frozenset[str]

    def record(self) -> Record:
        """Return what callers get."""
        return Record(
            kind=self.kind, key=self.key, revision=self.revision, data=decode(self.data), terms=self.terms
        )

    def values(self) -> dict[str, object]:
        """Return the columns."""
        return {
            "kind": self.kind,
            "key": self.key,
            "revision": self.revision,
            "data": self.data,
            "terms": json.dumps(sorted(self.terms)),
        }


@attrs.frozen(kw_only=True)
class Checked:
    """A checked change: of a record, or entries for a log.

    Attributes:
        wanted: What was asked for.
        row: What shall be there (its revision is not known yet), None for a removal and for a log.
        entries: Rows for logs.
        size: About how many bytes they are.
    """

    wanted: Change
    row: Row | None = None
    entries: tuple[Mapping[str, object], ...] = ()
    size: int = 0

    @property
    def is_of_record(self) -> bool:
        """Whether it changes a record, not a log."""
        return not isinstance(self.wanted, Append)


@attrs.frozen(kw_only=True)
class Present:
    """What is there now."""

    revision: int
    terms: frozenset[str]


def checked(change: Change) -> Checked:
    """Return a change that the database will take.

    Raises:
        ValidationFailed: A name or a sequence number is wrong, or the data are not JSON.
    """
    if isinstance(change, Append):
        check_append(change)
        rows = tuple([{"log": change.log, "seq": e.seq, "data": e.data} for e in change.entries])
        return Checked(wanted=change, entries=rows, size=sum([len(e.data) for e in change.entries]))
    kind, key = check_name("kind", change.kind), check_name("key", change.key)
    if isinstance(change, Remove):
        return Checked(wanted=change)
    row = Row(kind=kind, key=key, revision=0, data=encode(change.data), terms=check_terms(change.terms))
    return Checked(wanted=change, row=row, size=len(row.data))


Outcome = tuple[Record | None, ...] | DevbenchError
"""What one call gets: its records, or why nothing of it was done."""


def apply(connection: Connection, calls: Sequence[Sequence[Checked]]) -> list[Outcome]:
    """Do several calls as if one after the other, each wholly or not at all, with few statements for all of them.

    To be called in a transaction that keeps other writers out.
    """
    changes = [change for call in calls for change in call]
    before = _present(connection, {place_of(change) for change in changes if change.is_of_record})
    after: dict[Place, Row | None] = {}
    entries: list[Mapping[str, object]] = []
    outcomes: list[Outcome] = []
    for call in calls:
        mine: dict[Place, Row | None] = {}
        try:
            results = [_stage(change, before, after, mine) for change in call]
        except DevbenchError as refusal:
            outcomes.append(refusal)
            continue
        after.update(mine)
        entries += [row for change in call for row in change.entries]
        outcomes.append(tuple([None if row is None else row.record() for row in results]))
    _write(connection, before, after)
    _APPEND.run_rows(connection, entries)
    return outcomes


def place_of(change: Checked) -> Place:
    """Return where a record is changed."""
    wanted = cast("Put | Remove", change.wanted)
    return wanted.kind, wanted.key


def _present(connection: Connection, places: set[Place]) -> dict[Place, Present]:
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


def _stage(
    change: Checked,
    before: dict[Place, Present],
    after: dict[Place, Row | None],
    mine: dict[Place, Row | None],
) -> Row | None:
    wanted = change.wanted
    if isinstance(wanted, Append):
        return None
    place = wanted.kind, wanted.key
    known = mine if place in mine else after
    now = known[place] if place in known else before.get(place)
    found = ABSENT if now is None else now.revision
    if wanted.expect is not None and wanted.expect != found:
        raise revision_conflict(wanted, found)
    row = None if change.row is None else attrs.evolve(change.row, revision=found + 1)
    mine[place] = row
    return row


@cache
def _select(count: int) -> Statement:
    """Return the statement for so many keys of one kind, at most `ROWS_AT_ONCE`."""
    keys: list[BindParameter[str]] = [bindparam(f"key_{number}") for number in range(count)]
    query = select(records.c.key, records.c.revision, records.c.terms)
    return Statement(query.where(records.c.kind == bindparam("at_kind"), records.c.key.in_(keys)))


def _write(connection: Connection, before: dict[Place, Present], after: dict[Place, Row | None]) -> None:
    gone = [place for place, row in after.items() if row is None and place in before]
    rows = [row for row in after.values() if row is not None]
    changed = [row for row in rows if (row.kind, row.key) in before]
    new = [row for row in rows if (row.kind, row.key) not in before]
    old_terms, new_terms = _terms(before, rows)
    _DELETE.run_each(connection, [{"at_kind": kind, "at_key": key} for kind, key in gone])
    _UPDATE.run_each(connection, [_renamed(row.values()) for row in changed])
    _INSERT.run_rows(connection, [row.values() for row in new])
    _DELETE_TERM.run_each(connection, old_terms)
    _INSERT_TERM.run_rows(connection, new_terms)


def _terms(
    before: dict[Place, Present], rows: Sequence[Row]
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return the terms that go and those that come; most changes change none."""
    old: list[dict[str, str]] = []
    new: list[dict[str, str]] = []
    for row in rows:
        present = before.get((row.kind, row.key))
        had: frozenset[str] = present.terms if present else frozenset()
        old += [{"at_kind": row.kind, "at_key": row.key, "at_term": term} for term in sorted(had - row.terms)]
        new += [{"kind": row.kind, "key": row.key, "term": term} for term in sorted(row.terms - had)]
    return old, new


def _renamed(values: dict[str, object]) -> dict[str, object]:
    """Return values whose key columns have the names that the WHERE clause uses."""
    return {f"at_{name}" if name in {"kind", "key"} else name: value for name, value in values.items()}


_HERE = (records.c.kind == bindparam("at_kind"), records.c.key == bindparam("at_key"))
_DELETE = Statement(delete(records).where(*_HERE))
_UPDATE = Statement(
    update(records)
    .where(*_HERE)
    .values(revision=bindparam("revision"), data=bindparam("data"), terms=bindparam("terms"))
)
_INSERT = Statement(insert(records))
_DELETE_TERM = Statement(
    delete(record_terms).where(
        record_terms.c.kind == bindparam("at_kind"),
        record_terms.c.term == bindparam("at_term"),
        record_terms.c.key == bindparam("at_key"),
    )
)
_INSERT_TERM = Statement(insert(record_terms))
_APPEND = Statement(insert_or_skip(logs).on_conflict_do_nothing())
