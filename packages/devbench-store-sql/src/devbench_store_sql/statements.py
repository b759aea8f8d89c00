"""Statements of SQL, run by the driver itself.

They are written out: to have them put together by SQLAlchemy costs a seventh of a second at the start of every short
command, and to have it run them costs ten times as much Python as SQLite needs, which holds up the event loop
(measured in the decision record).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence

ROWS_AT_ONCE = 16
"""Rows of one insertion. Each number of rows is a statement of its own, which the driver keeps."""

PARAMETER = re.compile(r":(\w+)")
Values = Mapping[str, object]


class Statement:
    """One statement; its parameters are written ``:name`` and given by name.

    Attributes:
        text: As the driver gets it, with a question mark for each parameter.
        names: The parameters in their order.
    """

    def __init__(self, text: str) -> None:
        self.text = PARAMETER.sub("?", text)
        self.names: tuple[str, ...] = tuple(PARAMETER.findall(text))
        self._texts: dict[int, str] = {}

    def run(self, connection: sqlite3.Connection, values: Values) -> sqlite3.Cursor:
        """Run it once.

        Raises:
            sqlite3.Error: The database refuses.
        """
        return connection.execute(self.text, [values[name] for name in self.names])

    def run_rows(self, connection: sqlite3.Connection, many: Sequence[Values]) -> None:
        """Run an insertion for all rows, `ROWS_AT_ONCE` at a time; the driver hands the interpreter over once for each.

        Raises:
            sqlite3.Error: The database refuses.
        """
        for start in range(0, len(many), ROWS_AT_ONCE):
            some = many[start : start + ROWS_AT_ONCE]
            values = [row[name] for row in some for name in self.names]
            connection.execute(self._for_rows(len(some)), values)

    def _for_rows(self, count: int) -> str:
        text = self._texts.get(count)
        if text is None:
            one = f"({', '.join('?' * len(self.names))})"
            text = self._texts[count] = self.text.replace(one, ", ".join([one] * count))
        return text

    def run_each(self, connection: sqlite3.Connection, many: Sequence[Values]) -> None:
        """Run it once for each set of values.

        Raises:
            sqlite3.Error: The database refuses.
        """
        if many:
            connection.executemany(self.text, [[values[name] for name in self.names] for values in many])
