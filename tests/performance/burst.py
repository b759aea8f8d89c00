"""Many callers at once: the time per command."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from performance.measure import Figures, Row, Step, line

CALLERS = 20
CONTAINERS = 4
ROUNDS = 3


async def measure(
    operation: str,
    contenders: Mapping[str, tuple[Sequence[Step], int]],
    bounds: Mapping[str, float],
    *,
    callers: int = CALLERS,
) -> Row:
    """Measure bursts of contenders against each other.

    Args:
        operation: What each caller does.
        contenders: By name, the raw one first: what the callers do in turn, and how often all together.
        bounds: The largest ratio to the raw one that each may have.
        callers: How many there are.
    """
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, (steps, count) in contenders.items():
            samples[name].append(await burst(steps, count, callers))
    row = Row(
        operation=f"{operation}, {callers} callers (time per command)",
        figures={name: Figures.of(values) for name, values in samples.items()},
        bounds=dict(bounds),
    )
    print(line(row), flush=True)  # noqa: T201 - progress
    return row


async def burst(steps: Sequence[Step], count: int, callers: int = CALLERS) -> float:
    """Return the seconds per command when all callers share so many of them."""
    queue = list(range(count))

    async def caller(number: int) -> None:
        while queue:
            queue.pop()
            await steps[number % len(steps)]()

    begin = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(callers):
            tasks.create_task(caller(number))
    return (time.perf_counter() - begin) / count
