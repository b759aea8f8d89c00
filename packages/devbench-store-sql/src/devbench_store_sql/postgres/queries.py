"""Reads records and logs. Each statement is the same however many terms there are: PostgreSQL plans it once."""

from __future__ import annotations

from devbench_core.contracts.store import LogEntry, Record, RecordPage
from devbench_store_sql.postgres.connections import Connection
from devbench_store_sql.queries import RARE
from devbench_store_sql.rows import record_of


async def get(connection: Connection, kind: str, key: str) -> Record | None:
    """Return a record, or None."""
    row = await connection.fetchrow(_GET, kind, key)
    return None if row is None else record_of(kind, tuple(row))


async def page(
    connection: Connection, kind: str, terms: frozenset[str], after: str, limit: int
) -> RecordPage:
    """Return a page of the records that have all the terms."""
    if terms:
        rarest, *others = await _rarest_first(connection, kind, terms)
        rows = await connection.fetch(_ALONG_TERM, kind, rarest, after, others, len(others), limit + 1)
    else:
        rows = await connection.fetch(_ALONG_KIND, kind, after, limit + 1)
    found = [record_of(kind, tuple(row)) for row in rows]
    shown = tuple(found[:limit])
    return RecordPage(records=shown, cursor=shown[-1].key if len(found) > limit else "")


async def read_log(connection: Connection, log: str, after: int, limit: int) -> tuple[LogEntry, ...]:
    """Return the entries of a log above a sequence number."""
    rows = await connection.fetch(_READ_LOG, log, after, limit)
    return tuple([LogEntry(seq=seq, data=data) for seq, data in rows])


async def _rarest_first(connection: Connection, kind: str, terms: frozenset[str]) -> list[str]:
    """Order terms so that the query walks along the fewest records, not along all of a tenant."""
    ordered = sorted(terms)
    if len(ordered) < 2:
        return ordered
    return [term for (term,) in await connection.fetch(_RAREST, kind, ordered)]


_COLUMNS = "records.key, records.revision, records.data, records.terms"
_GET = f"SELECT {_COLUMNS} FROM records WHERE kind = $1 AND key = $2"  # noqa: S608 - names of ours
_ALONG_KIND = f"SELECT {_COLUMNS} FROM records WHERE kind = $1 AND key > $2 ORDER BY key LIMIT $3"  # noqa: S608 - names of ours
_ALONG_TERM = f"""
SELECT {_COLUMNS} FROM record_terms
JOIN records ON records.kind = record_terms.kind AND records.key = record_terms.key
WHERE record_terms.kind = $1 AND record_terms.term = $2 AND record_terms.key > $3 AND (
    SELECT count(*) FROM record_terms AS other
    WHERE other.kind = $1 AND other.key = record_terms.key AND other.term = ANY ($4::text[])
) = $5
ORDER BY record_terms.key LIMIT $6"""  # noqa: S608 - names of ours
_RAREST = f"""
SELECT wanted.term FROM unnest($2::text[]) AS wanted (term)
ORDER BY (
    SELECT count(*) FROM (
        SELECT FROM record_terms WHERE kind = $1 AND record_terms.term = wanted.term ORDER BY key LIMIT {RARE}
    ) AS few
), wanted.term"""  # noqa: S608 - numbers and names of ours
_READ_LOG = "SELECT seq, data FROM logs WHERE log = $1 AND seq > $2 ORDER BY seq LIMIT $3"
