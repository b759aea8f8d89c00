"""Writes the page of the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from performance.measure import Row

PATH = Path(__file__).parents[2] / "docs" / "reference" / "performance.md"
INTRO = """# Performance

Measured by `uv run nox -s bench` in interleaved rounds: in each round every contender has its turn, in changing order,
so that the machine's noise hits all alike. Compare ratios, not milliseconds: they hold on other machines.

"In a row" means that a contender does it ten times in its turn, as an agent at work does; elsewhere it does it once, on
a machine whose caches the others have just used.

The "empty program" ends before any library starts, so that its row shows what the engines take. `true` takes more than
devbench does where the processor is a virtual one: at its start glibc asks for the processor's features, and each of
these questions is answered by the hypervisor, about half a millisecond in all.

Programs start from an environment into which nothing but devbench's wheels, three plugins among them, was installed.

"Durable" writes are on disk (`fsync` of file and folder) when they return; the engine's archive call promises nothing
of the kind.

A warm spawn gets a container that waits in a [pool](../guides/pools.md); a cold one is what a host on the same engine
makes for the asking.

Of the stores, PostgreSQL is on the same machine and shares its processors. Its commits are on disk, as those of SQLite
are with `synchronous = "full"`; SQLite's default survives the death of every process, and may lose the last moments
before a power failure. SQLite is within the process, so a call costs no way to another one and back: PostgreSQL is for
several hosts that share it, not for speed.
"""
HEADING = "\n## "
BOUNDS = "Bounds"
MISSED = "- Missed: "
HOLDING = "Every bound holds."


def page(sections: Mapping[str, Sequence[Row]], machine: Mapping[str, str]) -> str:
    """Return the whole page."""
    parts = [INTRO, "\n## The machine\n", "| | |", "|---|---|"]
    parts += [f"| {name} | {value} |" for name, value in machine.items()]
    for title, rows in sections.items():
        parts += [f"\n## {title}\n", *table(rows)]
    missed = missed_bounds(sections)
    parts += [f"\n## {BOUNDS}\n", *([f"{MISSED}{each}." for each in missed] or [HOLDING])]
    return "\n".join(parts) + "\n"


def page_with(text: str, sections: Mapping[str, Sequence[Row]], machine: Mapping[str, str]) -> str:
    """Return a page on which these sections were measured again, and everything else is as it was.

    Args:
        text: The page.
        sections: What was measured.
        machine: Where and when that was.
    """
    _, *rest = text.split(HEADING)
    parts = dict(part.split("\n", 1) for part in rest)
    bounds = [line for line in parts.pop(BOUNDS, "").splitlines() if line.startswith(MISSED)]
    for title, rows in sections.items():
        when = f"Measured apart from the rest, on {machine['date']} with Python {machine['Python']}."
        parts[title] = "\n".join(["", when, "", *table(rows)]) + "\n"
        bounds = [line for line in bounds if not line.startswith(f"{MISSED}{title}: ")]
    bounds += [f"{MISSED}{each}." for each in missed_bounds(sections)]
    parts[BOUNDS] = "\n".join(["", *(bounds or [HOLDING])]) + "\n"
    return HEADING.join([f"{INTRO}\n", *(f"{title}\n{body}" for title, body in parts.items())])


def missed_bounds(sections: Mapping[str, Sequence[Row]]) -> list[str]:
    """Say which bounds this run missed, each with where that was."""
    return [f"{title}: {fault}" for title, rows in sections.items() for row in rows for fault in row.broken()]


def table(rows: Iterable[Row]) -> Iterable[str]:
    """Yield the lines of one table."""
    yield "| operation | contender | p50 ms | p95 ms | ratio to raw | at most | samples |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for row in rows:
        for number, (name, figures) in enumerate(row.figures.items()):
            ratio = "1" if number == 0 else f"{row.ratio(name):.3f}"
            operation = row.operation if number == 0 else ""
            yield (
                f"| {operation} | {name} | {figures.p50_ms:.2f} | {figures.p95_ms:.2f} "
                f"| {ratio} | {row.most(name)} | {figures.rounds} |"
            )


def describe_machine(**more: str) -> dict[str, str]:
    """Describe what the figures were measured on."""
    memory_kib = next(
        line.split()[1]
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal")
    )
    return {
        "processors": str(os.cpu_count()),
        "memory": f"{int(memory_kib) // 2**20} GiB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        **more,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }
