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

ROWS_AT_ONCE = 16
"""Rows of one insertion. Each number of rows is a statement of its own, which the driver keeps."""

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
        self._texts: dict[int, str] = {}

    def run(self, connection: Connection, values: Values) -> sqlite3.Cursor:
        """Run it once.

        Raises:
            sqlite3.Error: The database refuses.
        """
        return driver_of(connection).execute(self.text, [values[name] for name in self.names])

    def run_rows(self, connection: Connection, many: Sequence[Values]) -> None:
        """Run an insertion for all rows, `ROWS_AT_ONCE` at a time; the driver hands the interpreter over once for each.

        Raises:
            sqlite3.Error: The database refuses.
        """
        driver = driver_of(connection)
        for start in range(0, len(many), ROWS_AT_ONCE):
            some = many[start : start + ROWS_AT_ONCE]
            values = [row[name] for row in some for name in self.names]
            driver.execute(self._for_rows(len(some)), values)

    def _for_rows(self, count: int) -> str:
        text = self._texts.get(count)
        if text is None:
            one = f"({', '.join('?' * len(self.names))})"
            text = self._texts[count] = self.text.replace(one, ", ".join([one] * count))
        return text

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
