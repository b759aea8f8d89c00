"""Says what is at the database's place, without changing anything. Blocking: to be run in a thread."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from devbench_core.contracts.provider import Diagnosis
from devbench_core.errors import DevbenchError
from devbench_store_sql.failures import failure
from devbench_store_sql.migrate import HEAD, schema_of, usable
from devbench_store_sql.place import file_of
from devbench_store_sql.settings import SqlSettings

TIMEOUT_S = 2.0


def look(settings: SqlSettings, state_dir: Path) -> Diagnosis:
    """Return what `devbench doctor` shows."""
    try:
        path = file_of(settings, state_dir)
    except DevbenchError as error:
        return Diagnosis(ok=False, summary=str(error))
    try:
        return _absent(path) if not path.exists() else _present(path)
    except (sqlite3.Error, OSError) as error:
        return Diagnosis(ok=False, summary=str(failure(path, error)))


def _absent(path: Path) -> Diagnosis:
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
    if not os.access(nearest, os.W_OK):
        return Diagnosis(ok=False, summary=f"{str(path)!r} cannot be made: {str(nearest)!r} is not writable")
    return Diagnosis(
        ok=True, summary=f"SQLite {sqlite3.sqlite_version}; {str(path)!r} is made at the first start"
    )


def _present(path: Path) -> Diagnosis:
    if not os.access(path, os.W_OK):
        return Diagnosis(ok=False, summary=f"{str(path)!r} is read-only for this user")
    if path.stat().st_size == 0:
        return Diagnosis(ok=True, summary=f"{str(path)!r} is empty")
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=TIMEOUT_S)) as connection:
        present = schema_of(connection)
        is_usable = present is None or usable(connection, present)
    schema = present or "none"
    notes = () if schema == HEAD else (f"schema {schema}; this program's is {HEAD}",)
    return Diagnosis(
        ok=is_usable,
        summary=f"SQLite {sqlite3.sqlite_version} at {str(path)!r}, schema {schema}",
        notes=notes,
    )
