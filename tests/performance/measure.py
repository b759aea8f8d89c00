"""Interleaved measurements: in each round every contender runs once, in turning order, so that noise hits all alike."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping

import attrs

Step = Callable[[], Awaitable[None]]


@attrs.frozen(kw_only=True)
class Figures:
    """Milliseconds of one contender."""

    p50_ms: float
    p95_ms: float
    rounds: int

    @classmethod
    def of(cls, samples_s: list[float]) -> Figures:
        """Summarise samples in seconds."""
        ordered = sorted(samples_s)
        return cls(
            p50_ms=quantile(ordered, 0.5) * 1000, p95_ms=quantile(ordered, 0.95) * 1000, rounds=len(ordered)
        )


@attrs.frozen(kw_only=True)
class Row:
    """One line of the table: an operation, its figures by contender, and the bound on the ratio, if any."""

    operation: str
    figures: dict[str, Figures]
    bounds: dict[str, float] = attrs.field(factory=dict[str, float])
    note: str = ""

    @property
    def raw(self) -> Figures:
        """The first contender: what the others are compared with."""
        return next(iter(self.figures.values()))

    def ratio(self, contender: str) -> float:
        """Return a contender's median as a multiple of the raw one's."""
        return self.figures[contender].p50_ms / self.raw.p50_ms


def quantile(ordered: list[float], part: float) -> float:
    """Return the nearest-rank quantile of sorted samples."""
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]


async def interleave(
    operation: str,
    contenders: Mapping[str, Step],
    *,
    rounds: int,
    bounds: Mapping[str, float] | None = None,
    after: Mapping[str, Step] | None = None,
    warm_up: int = 2,
    note: str = "",
) -> Row:
    """Measure contenders against each other.

    Args:
        operation: What is measured.
        contenders: By name, the raw one first.
        rounds: How often each runs and counts.
        bounds: The largest ratio to the raw one that each may have.
        after: Clean-up of each contender, outside the measured time.
        warm_up: Rounds that do not count.
        note: For the reader of the table.
    """
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(-warm_up, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            begin = time.perf_counter()
            await contenders[name]()
            took = time.perf_counter() - begin
            if number >= 0:
                samples[name].append(took)
            if after and name in after:
                await after[name]()
    figures = {name: Figures.of(values) for name, values in samples.items()}
    row = Row(operation=operation, figures=figures, bounds=dict(bounds or {}), note=note)
    print(line(row), flush=True)  # noqa: T201 - progress of a long run
    return row


def line(row: Row) -> str:
    """Return a row as one line for a terminal."""
    parts = [f"{name} {figures.p50_ms:.2f} ms" for name, figures in row.figures.items()]
    ratios = [f"{name} {row.ratio(name):.3f} x" for name in list(row.figures)[1:]]
    return f"{row.operation}: {', '.join(parts)}; {', '.join(ratios)}"
