"""Interleaved measurements: every contender has its turn in each round, so that noise hits all alike."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping

import attrs

Step = Callable[[], Awaitable[None]]
IN_A_ROW = 10


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
    """One operation of the table.

    Attributes:
        operation: What was measured.
        figures: By contender, the raw one first.
        bounds: The largest ratio to the raw one's median that a contender may have.
        bounds_ms: The largest median that a contender may have.
        bounds_p95: The largest ratio to the raw one's 95th percentile that a contender may have.
    """

    operation: str
    figures: dict[str, Figures]
    bounds: dict[str, float] = attrs.field(factory=dict[str, float])
    bounds_ms: dict[str, float] = attrs.field(factory=dict[str, float])
    bounds_p95: dict[str, float] = attrs.field(factory=dict[str, float])

    @property
    def raw(self) -> Figures:
        """The first contender: what the others are compared with."""
        return next(iter(self.figures.values()))

    def ratio(self, contender: str) -> float:
        """Return a contender's median as a multiple of the raw one's."""
        return self.figures[contender].p50_ms / self.raw.p50_ms

    def ratio_p95(self, contender: str) -> float:
        """Return a contender's 95th percentile as a multiple of the raw one's."""
        return self.figures[contender].p95_ms / self.raw.p95_ms

    def most(self, contender: str) -> str:
        """Return a contender's bounds for people."""
        ratio, milliseconds = self.bounds.get(contender), self.bounds_ms.get(contender)
        parts = [
            "" if ratio is None else f"{ratio:g} x",
            "" if milliseconds is None else f"{milliseconds:g} ms",
            f"p95 {self.bounds_p95[contender]:g} x" if contender in self.bounds_p95 else "",
        ]
        return ", ".join(part for part in parts if part)

    def broken(self) -> list[str]:
        """Say which bounds do not hold."""
        ratios = [
            f"{self.operation}, {name}: {self.ratio(name):.3f} x is above {bound:g} x"
            for name, bound in self.bounds.items()
            if self.ratio(name) > bound
        ]
        late = [
            f"{self.operation}, {name}: p95 {self.ratio_p95(name):.3f} x is above {bound:g} x"
            for name, bound in self.bounds_p95.items()
            if self.ratio_p95(name) > bound
        ]
        return [*ratios, *late] + [
            f"{self.operation}, {name}: {self.figures[name].p50_ms:.2f} ms is above {bound:g} ms"
            for name, bound in self.bounds_ms.items()
            if self.figures[name].p50_ms > bound
        ]


def quantile(ordered: list[float], part: float) -> float:
    """Return the nearest-rank quantile of sorted samples."""
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]


async def interleave(
    operation: str,
    contenders: Mapping[str, Step],
    *,
    rounds: int,
    in_a_row: int = 1,
    bounds: Mapping[str, float] | None = None,
    bounds_ms: Mapping[str, float] | None = None,
    after: Mapping[str, Step] | None = None,
    warm_up: int = 2,
) -> Row:
    """Measure contenders against each other.

    Args:
        operation: What is measured.
        contenders: By name, the raw one first.
        rounds: How many turns of each count.
        in_a_row: How often each runs in one turn; each run is a sample.
        bounds: The largest ratio to the raw one that each may have.
        bounds_ms: The largest median that each may have.
        after: Clean-up of each contender, outside the measured time.
        warm_up: Rounds that do not count.
    """
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(-warm_up, rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            took = [await timed(contenders[name]) for _ in range(in_a_row)]
            if number >= 0:
                samples[name] += took
            if after and name in after:
                await after[name]()
    figures = {name: Figures.of(values) for name, values in samples.items()}
    row = Row(
        operation=operation, figures=figures, bounds=dict(bounds or {}), bounds_ms=dict(bounds_ms or {})
    )
    print(line(row), flush=True)  # noqa: T201 - progress of a long run
    return row


async def in_a_row(
    operation: str,
    contenders: Mapping[str, Step],
    *,
    samples: int,
    bounds: Mapping[str, float],
    bounds_ms: Mapping[str, float] | None = None,
) -> Row:
    """Measure what each does ten times in its turn, as an agent at work does it."""
    return await interleave(
        f"{operation}, in a row",
        contenders,
        rounds=samples // IN_A_ROW,
        in_a_row=IN_A_ROW,
        bounds=bounds,
        bounds_ms=bounds_ms,
    )


async def timed(step: Step) -> float:
    """Return how many seconds a step takes."""
    begin = time.perf_counter()
    await step()
    return time.perf_counter() - begin


def line(row: Row) -> str:
    """Return a row as one line for a terminal."""
    parts = [f"{name} {figures.p50_ms:.2f} ms" for name, figures in row.figures.items()]
    ratios = [f"{name} {row.ratio(name):.3f} x" for name in list(row.figures)[1:]]
    late = [f"{name} p95 {row.ratio_p95(name):.3f} x" for name in row.bounds_p95]
    return f"{row.operation}: {', '.join(parts)}; {', '.join([*ratios, *late])}"
