"""Says what PostgreSQL is like, without changing anything."""

from __future__ import annotations

from contextlib import suppress

from devbench_core.contracts.provider import Diagnosis
from devbench_core.errors import DevbenchError
from devbench_store_sql.migrate import HEAD
from devbench_store_sql.postgres.address import address_of
from devbench_store_sql.postgres.connections import connect
from devbench_store_sql.postgres.failures import Errors, failure
from devbench_store_sql.postgres.migrate import schema_of, usable
from devbench_store_sql.settings import SqlSettings


async def look(settings: SqlSettings) -> Diagnosis:
    """Return what `devbench doctor` shows."""
    try:
        address = address_of(settings)
        connection = await connect(settings, address)
    except DevbenchError as error:
        return Diagnosis(ok=False, summary=str(error))
    try:
        version = await connection.fetchval("SHOW server_version")
        present = await schema_of(connection)
        is_usable = present is None or await usable(connection, present)
    except Errors as error:
        return Diagnosis(ok=False, summary=str(failure(address.shown, error)))
    finally:
        with suppress(*Errors):
            await connection.close(timeout=settings.connect_timeout_s)
    schema = present or "none"
    return Diagnosis(
        ok=is_usable,
        summary=f"PostgreSQL {version}, {address.shown}, schema {schema}",
        notes=() if schema == HEAD else (f"schema {schema}; this program's is {HEAD}",),
    )
