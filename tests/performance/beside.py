"""Small commands beside a large stream in the same container: the stream must not make them wait long."""

from __future__ import annotations

import asyncio

from devbench_core.bench import Bench
from performance import output
from performance.measure import Figures, Row, line, timed
from performance.ours import Python
from performance.setting import Setting

MIB = 1024 * 1024


async def measure(setting: Setting, bench: Bench, ours: Python) -> Row:
    """Measure small commands alone, then beside a command that writes and is read as fast as both can.

    As many as are wanted run beside it, or as many as fit into the time that it takes.
    """
    await sample(ours, setting.quick)
    idle = await sample(ours, setting.small)
    streaming = asyncio.create_task(output.ours(bench, ours, setting.stream_mib * MIB))
    beside: list[float] = []
    while len(beside) < setting.small and not streaming.done():
        beside += await sample(ours, 1)
    await streaming
    row = Row(
        operation=f"trivial command beside a stream of {setting.stream_mib} MiB (raw: the same alone)",
        figures={"alone": Figures.of(idle), "beside": Figures.of(beside)},
        bounds_p95={"beside": 3.0},
    )
    print(line(row), flush=True)  # noqa: T201 - progress of a long run
    return row


async def sample(ours: Python, count: int) -> list[float]:
    """Run trivial commands one after another."""
    return [await timed(ours.true) for _ in range(count)]
