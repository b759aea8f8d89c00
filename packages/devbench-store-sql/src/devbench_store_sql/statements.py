"""Statements of SQLAlchemy, compiled once and run by the driver itself.

Running a small statement through SQLAlchemy costs ten times as much Python as SQLite needs to do it, and that Python
holds up the event loop, which waits for the same interpreter lock (measured in the decision record).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Delete, Insert, Select, Update
from sqlalchemy.dialects import sqlite

Values = Mapping[str, object]


class Statement:
    """One statement; its parameters are given by name."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | Insert | Update | Delete) -> None:
        columns = (
            [column.name for column in statement.table.columns] if isinstance(statement, Insert) else None
        )
        dialect = sqlite.dialect(paramstyle="qmark")
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        self.text = str(compiled)
        self.names = tuple(compiled.positiontup or ())

    def run(self, connection: Connection, values: Values) -> sqlite3.Cursor:
        """Run it once.

        Raises:
            sqlite3.Error: The database refuses.
        """
        return driver_of(connection).execute(self.text, [values[name] for name in self.names])

    def run_each(self, connection: Connection, many: Sequence[Values]) -> None:
        """Run it once for each set of values.

        Raises:
            sqlite3.Error: The database refuses.
        """
        if many:
            rows = [[values[name] for name in self.names] for values in many]
            driver_of(connection).executemany(self.text, rows)


def driver_of(connection: Connection) -> sqlite3.Connection:
    """Return the driver's own connection."""
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)
