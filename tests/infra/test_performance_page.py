"""The page of performance is the last run's, or of several of which each measured a part of it."""

from __future__ import annotations

from performance.measure import Figures, Row
from performance.table import page, page_with


def row(operation: str, ours_ms: float) -> Row:
    """Return a row whose second contender may take 10 ms."""
    figures = {
        "raw": Figures(p50_ms=1, p95_ms=1, rounds=3),
        "ours": Figures(p50_ms=ours_ms, p95_ms=ours_ms, rounds=3),
    }
    return Row(operation=operation, figures=figures, bounds={}, bounds_ms={"ours": 10.0})


MACHINE = {"Python": "3.11.7", "date": "2026-11-20"}
LATER = {"Python": "3.11.7", "date": "2026-11-27"}


def test_a_section_that_is_measured_alone_replaces_its_table_and_its_bounds_and_nothing_else():
    before = page({"Start": [row("start", 20)], "Files": [row("write", 30)]}, MACHINE)
    after = page_with(before, {"Start": [row("start", 5)]}, LATER)
    assert "- Missed: Start: " in before
    assert "- Missed: Start: " not in after
    assert "- Missed: Files: write, ours: 30.00 ms is above 10 ms." in after
    assert "|  | ours | 5.00 | 5.00 | 5.000 | 10 ms | 3 |" in after
    assert "|  | ours | 30.00 | 30.00 | 30.000 | 10 ms | 3 |" in after
    assert "| date | 2026-11-20 |" in after
    assert "Measured apart from the rest, on 2026-11-27 with Python 3.11.7." in after
    assert [line for line in after.splitlines() if line.startswith("## ")] == [
        "## The machine",
        "## Start",
        "## Files",
        "## Bounds",
    ]


def test_a_page_on_which_all_was_measured_again_says_that_every_bound_holds():
    before = page({"Start": [row("start", 20)]}, MACHINE)
    once = page_with(before, {"Start": [row("start", 5)]}, LATER)
    assert once.endswith("## Bounds\n\nEvery bound holds.\n")
    assert page_with(once, {"Start": [row("start", 5)]}, LATER) == once


def test_a_section_that_is_new_stands_before_the_bounds():
    after = page_with(page({}, MACHINE), {"Locks": [row("acquire", 12)]}, LATER)
    assert after.index("## Locks") < after.index("## Bounds") < after.index("- Missed: Locks: acquire")
