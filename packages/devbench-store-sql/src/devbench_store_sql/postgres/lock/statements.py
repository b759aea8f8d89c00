"""What the server does in one statement each: taking, queueing, renewing and giving back.

Whether a key is free is decided with its row locked, by the server's clock as it is then (``clock_timestamp``: the
statement may have waited for the row). The queue is looked at as it was when the statement began, which may let
somebody overtake, and never two in.
"""

from __future__ import annotations

ACQUIRE = """
WITH taken AS (
    INSERT INTO lock_leases AS held (key, owner, token, ends_at)
    SELECT $1::varchar, $2::varchar,
        greatest((extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $4::bigint + 1),
        clock_timestamp() + make_interval(secs => $3::float8)
    WHERE NOT EXISTS (
        SELECT FROM lock_waiters
        WHERE key = $1::varchar AND owner <> $2::varchar AND place < $5::bigint AND alive_until > clock_timestamp()
    ) OR EXISTS (SELECT FROM lock_leases WHERE key = $1::varchar AND owner = $2::varchar)
    ON CONFLICT (key) DO UPDATE SET
        owner = excluded.owner,
        token = CASE WHEN held.owner = excluded.owner THEN held.token ELSE greatest(excluded.token, held.token + 1) END,
        ends_at = clock_timestamp() + make_interval(secs => $3::float8)
    WHERE held.owner = excluded.owner OR held.ends_at <= clock_timestamp()
    RETURNING token
), gone AS (
    DELETE FROM lock_waiters WHERE owner = $2::varchar AND EXISTS (SELECT FROM taken)
)
SELECT
    coalesce((SELECT token FROM taken), 0),
    coalesce((
        SELECT extract(epoch FROM ends_at - clock_timestamp())::float8 FROM lock_leases WHERE key = $1::varchar
    ), 0)
"""
"""key, owner, ttl_s, floor, place (the asking hold's own): the token or 0, and the seconds that the lease has left.

A hold that asks again, because its answer was lost, gets the token that it has.
"""

QUEUE = """
INSERT INTO lock_waiters AS waiting (owner, key, alive_until)
VALUES ($2::varchar, $1::varchar, clock_timestamp() + make_interval(secs => $3::float8))
ON CONFLICT (owner) DO UPDATE SET alive_until = excluded.alive_until
RETURNING place
"""
"""key, owner, place_s: the place, which stays."""

RENEW = """
UPDATE lock_leases SET ends_at = clock_timestamp() + make_interval(secs => $4::float8)
WHERE key = $1::varchar AND owner = $2::varchar AND token = $3::bigint AND ends_at > clock_timestamp() RETURNING token
"""

RELEASE = """
WITH freed AS (
    UPDATE lock_leases SET owner = '', ends_at = clock_timestamp()
    WHERE key = $1::varchar AND owner = $2::varchar AND ends_at > clock_timestamp() RETURNING key
), left_queue AS (
    DELETE FROM lock_waiters WHERE owner = $2::varchar OR (key = $1::varchar AND alive_until <= clock_timestamp())
), next AS (
    SELECT owner FROM lock_waiters
    WHERE key = $1::varchar AND owner <> $2::varchar AND alive_until > clock_timestamp() ORDER BY place LIMIT 1
)
SELECT (SELECT count(*) FROM freed), (SELECT count(pg_notify($3::text || split_part(owner, '/', 1), owner)) FROM next)
"""
"""key, owner, channels' prefix: 1 when there was a lease of ours. Whoever is next is told either way."""

FORGET_MAX = 1000
"""Rows of each table that one statement forgets; the next one goes on."""

FORGET = f"""
WITH waiters AS (
    DELETE FROM lock_waiters WHERE owner IN (
        SELECT owner FROM lock_waiters WHERE alive_until <= clock_timestamp() LIMIT {FORGET_MAX} FOR UPDATE SKIP LOCKED
    )
)
DELETE FROM lock_leases WHERE key IN (
    SELECT key FROM lock_leases WHERE ends_at < clock_timestamp() - interval '1 day'
    LIMIT {FORGET_MAX} FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 - a number of ours
"""Waiters that were killed, and keys that nobody wanted for a day: tokens go on above theirs by the time alone."""
