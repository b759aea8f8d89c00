"""What a long run did, for the documentation."""

from __future__ import annotations

import os
from pathlib import Path

from harness.chaos.book import Book

VARIABLE = "DEVBENCH_TEST_CHAOS_FIGURES"
"""A file to which a line of a table is added for each fault."""


def figures(fault: str, times: int, book: Book, seconds: float) -> None:
    """Write the line, if it is wanted."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    done = sum(": " not in line and " done " in line for line in book.history)
    again = sum(" again " in line or " no answer " in line for line in book.history)
    longest = f"{book.longest[0]:.1f} s ({book.longest[1]})"
    shared = len(book.claims) + len(book.names) + len(book.swaps)
    locked = len(book.leases) + len(book.fenced)
    cells = (
        fault.replace("_", " "),
        times,
        done,
        again,
        shared,
        locked,
        longest,
        f"{seconds:.0f} s",
    )
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"| {' | '.join(map(str, cells))} |\n")
