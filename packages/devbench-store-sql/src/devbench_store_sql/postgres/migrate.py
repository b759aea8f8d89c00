"""Brings a PostgreSQL database to this program's schema.

Alembic writes the steps out as SQL, and the driver runs them in one transaction under an advisory lock: of hosts that
start at once one migrates, and the others find nothing to do.
"""

from __future__ import annotations

import asyncio

from devbench_store_sql.migrate import HEAD, beyond
from devbench_store_sql.postgres.connections import Connection
from devbench_store_sql.postgres.failures import ANEW
from devbench_store_sql.settings import SqlSettings

LOCK = 0x6465_7662_656E_6368
"""The number of the advisory lock; the letters of devbench."""


_HAS_TABLE = "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND pg_table_is_visible(oid))"
"""Not ``to_regclass``: it remembers an absence, and would not see what another host made while we waited."""


async def migrate(connection: Connection, settings: SqlSettings, shown: str) -> None:
    """Upgrade the database where it is older; older hosts may work on it meanwhile.

    Raises:
        StoreUnusable: The database is newer, and no longer for this program.
        asyncpg.PostgresError: The server refuses, or another host has migrated for too long.
    """
    for left in range(settings.retries, -1, -1):
        if await _is_there(connection, shown):
            return
        try:
            await _migrate(connection, settings, shown)
        except ANEW:  # an older host's transaction held what we wanted, and wanted what we held
            if left == 0:
                raise


async def _migrate(connection: Connection, settings: SqlSettings, shown: str) -> None:
    timeout_s = settings.migration_timeout_s
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = {int(timeout_s * 1000)}", timeout=timeout_s)
        await connection.execute(f"SET LOCAL statement_timeout = {int(timeout_s * 1000)}", timeout=timeout_s)
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK, timeout=timeout_s + 1)
        if await _is_there(connection, shown):
            return
        script = await asyncio.to_thread(_script, await schema_of(connection), shown)
        await connection.execute(script, timeout=timeout_s)


async def schema_of(connection: Connection) -> str | None:
    """Return the schema that a database says it has, None for a new one."""
    if not await connection.fetchval(_HAS_TABLE, "alembic_version"):
        return None
    found = await connection.fetchval("SELECT version_num FROM alembic_version")
    return None if found is None else str(found)


async def usable(connection: Connection, schema: str) -> bool:
    """Tell whether this program may work with a schema: its own, an older one, or a newer one that allows it."""
    if schema <= HEAD:
        return True
    if not await connection.fetchval(_HAS_TABLE, "schema_rule"):
        return False
    oldest = await connection.fetchval("SELECT max(oldest) FROM schema_rule")
    return (oldest or schema) <= HEAD


async def _is_there(connection: Connection, shown: str) -> bool:
    """Tell whether nothing is to be done.

    Raises:
        StoreUnusable: The database is newer, and no longer for this program.
    """
    present = await schema_of(connection)
    if present is None or present < HEAD:
        return False
    if not await usable(connection, present):
        raise beyond(shown, present)
    return True


def _script(present: str | None, shown: str) -> str:
    """Import what it takes only now: most hosts find nothing to do."""
    from devbench_store_sql.upgrade import script

    return script(present, shown)
