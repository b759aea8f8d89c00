"""Results on stdout: JSON for machines, tables and lines for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
KIB = 1024
NOTHING = "-"


def as_json(model: BaseModel) -> str:
    """Return a tool's result as indented JSON; what is absent is null."""
    return model.model_dump_json(indent=2)


def line(text: str = "") -> None:
    """Write one line."""
    sys.stdout.write(text + "\n")


def printable(text: str) -> str:
    """Return text that does nothing to a terminal: names of files may hold any character."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def json_line(value: Any) -> None:
    """Write one JSON document on one line, at once."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")
    sys.stdout.flush()


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write an aligned table: coloured and folded on a terminal; plain in a pipe, where nothing is cut."""
    shown = [tuple(row) for row in rows]
    if sys.stdout.isatty():
        return _for_terminal(headings, shown)
    everything = [tuple(headings), *shown]
    widths = [max(len(row[column]) for row in everything) for column in range(len(headings))]
    for row in everything:
        line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return None


def _for_terminal(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for heading in headings:
        grid.add_column(heading, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout).print(grid)


def facts(pairs: Iterable[tuple[str, str]]) -> None:
    """Write names and values below each other."""
    shown = list(pairs)
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        line(f"{name:<{width}}  {value}".rstrip())


def age(then: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago something was: ``5s``, ``12m``, ``3h``, ``9d``."""
    if then is None:
        return NOTHING
    return span(((now or datetime.now(UTC)) - then).total_seconds())


def span(seconds: float | None) -> str:
    """Return a length of time in its largest whole unit."""
    if seconds is None:
        return NOTHING
    whole = max(0, int(seconds))
    for unit_s, letter in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "m")):
        if whole >= unit_s * 2:
            return f"{whole // unit_s}{letter}"
    return f"{whole}s"


def size(count: int | None) -> str:
    """Return a number of bytes for people."""
    if count is None:
        return NOTHING
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < KIB or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= KIB
    raise AssertionError("unreachable")
