"""Writes changes in one transaction: each kind of them is one statement, however many there are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from devbench_store_sql.deciding import Checked, Decided, Outcome, Place, Present, decide, places_of
from devbench_store_sql.postgres.connections import Connection
from devbench_store_sql.postgres.failures import Raced


async def apply(
    connection: Connection, calls: Sequence[Sequence[Checked]], *, claim: bool
) -> tuple[Outcome, ...]:
    """Do several calls as if one after the other, each wholly or not at all. To be called in a transaction.

    The records that are there are locked before anything is decided.

    Args:
        connection: In a transaction.
        calls: The changes of each.
        claim: Whether those that are not there are locked, too; it takes two more statements, and is needed only where
            hosts make the same record at the same time.

    Raises:
        Raced: Another host made a record meanwhile; nothing may be committed.
    """
    places = sorted(places_of(calls))  # locked in one order by all hosts, so that none waits in a circle
    if claim and places:
        await _claim(connection, places)
    present = await _present(connection, places) if places else {}
    decided = decide(calls, present)
    await _write(connection, decided)
    made = {(row.kind, row.key) for row in decided.new}
    absent = [place for place in places if place not in present and place not in made]
    if absent and not claim and await connection.fetchval(_ANY_THERE, *_columns(absent, 2)):
        # Who waited for a lock is shown the locked rows anew, but none that came meanwhile; a new statement is.
        raise Raced("one that was absent is there now")
    return decided.outcomes


async def _claim(connection: Connection, places: Sequence[Place]) -> None:
    """Keep others from making records that are absent: who has inserted a row, and deleted it, still holds its key."""
    columns = _columns(places, 2)
    await connection.execute(_CLAIM, *columns)
    await connection.execute(_UNCLAIM, *columns)


async def _present(connection: Connection, places: Sequence[Place]) -> dict[Place, Present]:
    rows = await connection.fetch(_LOCK, *_columns(places, 2))
    return {
        (kind, key): Present(revision=revision, terms=frozenset(json.loads(terms)))
        for kind, key, revision, terms in rows
    }


async def _write(connection: Connection, decided: Decided) -> None:
    changed = [(row.kind, row.key, row.revision, row.data, row.values()["terms"]) for row in decided.changed]
    new = sorted([(row.kind, row.key, row.revision, row.data, row.values()["terms"]) for row in decided.new])
    entries = sorted([(row["log"], row["seq"], row["data"]) for row in decided.entries])
    steps: tuple[tuple[str, Sequence[Sequence[Any]]], ...] = (
        (_DELETE, decided.gone),
        (_UPDATE, changed),
        (_DELETE_TERMS, decided.old_terms),
        (_APPEND, entries),
    )
    if new:
        said = await connection.execute(_INSERT, *_columns(new, 5))
        if said != f"INSERT 0 {len(new)}":
            raise Raced(f"one of {len(new)} records is there now")
    for statement, rows in steps:
        if rows:
            await connection.execute(statement, *_columns(rows, len(rows[0])))
    if decided.new_terms:
        await connection.execute(_INSERT_TERMS, *_columns(decided.new_terms, 3))


def _columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    return [[row[number] for row in rows] for number in range(count)]


_LOCK = """
SELECT records.kind, records.key, revision, terms FROM records
JOIN unnest($1::text[], $2::text[]) AS wanted (kind, key)
ON records.kind = wanted.kind AND records.key = wanted.key
ORDER BY records.kind, records.key FOR UPDATE OF records"""
_ANY_THERE = """
SELECT EXISTS (
    SELECT FROM records JOIN unnest($1::text[], $2::text[]) AS wanted (kind, key)
    ON records.kind = wanted.kind AND records.key = wanted.key
)"""
_CLAIM = """
INSERT INTO records (kind, key, revision, data, terms)
SELECT kind, key, 0, '', '' FROM unnest($1::text[], $2::text[]) AS wanted (kind, key)
ON CONFLICT (kind, key) DO UPDATE SET revision = records.revision"""
_UNCLAIM = """
DELETE FROM records USING unnest($1::text[], $2::text[]) AS wanted (kind, key)
WHERE records.kind = wanted.kind AND records.key = wanted.key AND records.revision = 0"""
_DELETE = """
DELETE FROM records USING unnest($1::text[], $2::text[]) AS gone (kind, key)
WHERE records.kind = gone.kind AND records.key = gone.key"""
_UPDATE = """
UPDATE records SET revision = new.revision, data = new.data, terms = new.terms
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) AS new (kind, key, revision, data, terms)
WHERE records.kind = new.kind AND records.key = new.key"""
_INSERT = """
INSERT INTO records (kind, key, revision, data, terms)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
ON CONFLICT DO NOTHING"""
_DELETE_TERMS = """
DELETE FROM record_terms USING unnest($1::text[], $2::text[], $3::text[]) AS old (kind, term, key)
WHERE record_terms.kind = old.kind AND record_terms.term = old.term AND record_terms.key = old.key"""
_INSERT_TERMS = """
INSERT INTO record_terms (kind, term, key) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])"""
_APPEND = """
INSERT INTO logs (log, seq, data) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])
ON CONFLICT DO NOTHING"""
