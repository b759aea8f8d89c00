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
PIPE_WIDTH = 10_000
"""Columns in a pipe: machines cut nothing, so nothing is wrapped for them."""


def as_json(model: BaseModel) -> str:
    """Return a tool's result as indented JSON; what is absent is null."""
    return model.model_dump_json(indent=2)


def line(text: str = "") -> None:
    """Write one line."""
    sys.stdout.write(text + "\n")


def json_line(value: Any) -> None:
    """Write one JSON document on one line, at once."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")
    sys.stdout.flush()


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write an aligned table; coloured on a terminal, plain in a pipe, where nothing is cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    on_terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if on_terminal else PIPE_WIDTH, soft_wrap=True)
    grid = Table(box=box.SIMPLE_HEAD if on_terminal else None, pad_edge=False, header_style="bold")
    for heading in headings:
        grid.add_column(heading, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    console.print(grid)


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
