"""Decides what changes do, whatever the database: a call with a conflict comes to nothing, the others go on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from devbench_core.contracts.checks import (
    check_append,
    check_fence,
    check_name,
    check_terms,
    decode,
    encode,
    revision_conflict,
    stale_token,
)
from devbench_core.contracts.store import ABSENT, Append, Change, Fence, Record, Remove
from devbench_core.errors import DevbenchError
from devbench_core.values import frozen

Place = tuple[str, str]
"""A kind and a key."""

Term = tuple[str, str, str]
"""A kind, a term and a key."""

FENCES = ""
"""The kind of the rows that keep the greatest tokens, as their revisions; no caller can name an empty one."""


@frozen
class Row:
    """A record as it is stored."""

    kind: str
    key: str
    revision: int
    data: str
    terms: frozenset[str]

    def at(self, revision: int) -> Row:
        """Return it with its revision (each write needs this, and attrs' general way takes five times as long)."""
        return Row(kind=self.kind, key=self.key, revision=revision, data=self.data, terms=self.terms)

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


@frozen
class Checked:
    """A checked change: of a record, of a fence, or entries for a log.

    Attributes:
        wanted: What was asked for.
        place: Where a row is looked at, None for a log.
        row: What shall be there (its revision is not known yet), None for a removal and for a log.
        entries: Rows for logs.
        size: About how many bytes they are.
    """

    wanted: Change
    place: Place | None = None
    row: Row | None = None
    entries: tuple[Mapping[str, object], ...] = ()
    size: int = 0


@frozen
class Present:
    """What is there now."""

    revision: int
    terms: frozenset[str]


def checked(change: Change) -> Checked:
    """Return a change that the database will take.

    Raises:
        ValidationFailed: A name, a sequence number or a token is wrong, or the data are not JSON.
    """
    if isinstance(change, Append):
        check_append(change)
        rows = tuple([{"log": change.log, "seq": e.seq, "data": e.data} for e in change.entries])
        return Checked(wanted=change, entries=rows, size=sum([len(e.data) for e in change.entries]))
    if isinstance(change, Fence):
        key = check_fence(change).key
        row = Row(kind=FENCES, key=key, revision=change.token, data="{}", terms=frozenset())
        return Checked(wanted=change, place=(FENCES, key), row=row)
    kind, key = check_name("kind", change.kind), check_name("key", change.key)
    if isinstance(change, Remove):
        return Checked(wanted=change, place=(kind, key))
    row = Row(kind=kind, key=key, revision=0, data=encode(change.data), terms=check_terms(change.terms))
    return Checked(wanted=change, place=(kind, key), row=row, size=len(row.data))


Outcome = tuple[Record | None, ...] | DevbenchError
"""What one call gets: its records, or why nothing of it was done."""


@frozen
class Decided:
    """What is to be written for several calls, and what each of them gets.

    Attributes:
        outcomes: By call.
        gone: Records that go.
        changed: Records that are there already.
        new: Records that are not.
        old_terms: Terms that go from records that stay.
        new_terms: Terms that come.
        entries: Rows for logs.
    """

    outcomes: tuple[Outcome, ...]
    gone: tuple[Place, ...]
    changed: tuple[Row, ...]
    new: tuple[Row, ...]
    old_terms: tuple[Term, ...]
    new_terms: tuple[Term, ...]
    entries: tuple[Mapping[str, object], ...]


def places_of(calls: Sequence[Sequence[Checked]]) -> set[Place]:
    """Return where rows are looked at and changed."""
    return {change.place for call in calls for change in call if change.place is not None}


def decide(calls: Sequence[Sequence[Checked]], before: Mapping[Place, Present]) -> Decided:
    """Do several calls as if one after the other, each wholly or not at all.

    Args:
        calls: The changes of each.
        before: What is at `places_of` them; nobody else may change it until the result is written.
    """
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
    rows = [row for row in after.values() if row is not None]
    old_terms, new_terms = _terms(before, rows)
    return Decided(
        outcomes=tuple(outcomes),
        gone=tuple([place for place, row in after.items() if row is None and place in before]),
        changed=tuple([row for row in rows if (row.kind, row.key) in before]),
        new=tuple([row for row in rows if (row.kind, row.key) not in before]),
        old_terms=old_terms,
        new_terms=new_terms,
        entries=tuple(entries),
    )


def _stage(
    change: Checked,
    before: Mapping[Place, Present],
    after: dict[Place, Row | None],
    mine: dict[Place, Row | None],
) -> Row | None:
    wanted, place = change.wanted, change.place
    if isinstance(wanted, Append) or place is None:
        return None
    known = mine if place in mine else after
    now = known[place] if place in known else before.get(place)
    found = ABSENT if now is None else now.revision
    if isinstance(wanted, Fence):
        if wanted.token < found:
            raise stale_token(wanted, found)
        if wanted.token > found:
            mine[place] = change.row
        return None
    if wanted.expect is not None and wanted.expect != found:
        raise revision_conflict(wanted, found)
    row = None if change.row is None else change.row.at(found + 1)
    mine[place] = row
    return row


def _terms(before: Mapping[Place, Present], rows: Sequence[Row]) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """Return the terms that go and those that come; most changes change none."""
    old: list[Term] = []
    new: list[Term] = []
    for row in rows:
        present = before.get((row.kind, row.key))
        had: frozenset[str] = present.terms if present else frozenset()
        old += [(row.kind, term, row.key) for term in sorted(had - row.terms)]
        new += [(row.kind, term, row.key) for term in sorted(row.terms - had)]
    return tuple(old), tuple(new)
