"""Small commands beside a large stream in the same container: the stream must not make them wait long."""

from __future__ import annotations

import asyncio

from devbench_core.bench import Bench
from devbench_core.model.execution import ExecReason, ExecRequest
from performance.measure import Figures, Row, line, timed
from performance.ours import Python
from performance.setting import Setting

MIB = 1024 * 1024
WAIT_S = 30.0


async def measure(setting: Setting, bench: Bench, ours: Python) -> Row:
    """Measure small commands alone, then beside a command that writes and is read as fast as both can.

    As many as are wanted run beside it, or as many as fit into the time that it takes.
    """
    await sample(ours, setting.quick)
    idle = await sample(ours, setting.small)
    streaming = asyncio.create_task(stream(bench, ours.container, setting.stream_mib * MIB))
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


async def stream(bench: Bench, container: str, size: int) -> None:
    """Let a command write, and read all of it."""
    request = ExecRequest(argv=("head", "-c", str(size), "/dev/zero"))
    started = await bench.execs.start(container, request)
    cursor, seen = 0, 0
    while True:
        page = await bench.execs.poll(started.id, after=cursor, wait_s=WAIT_S)
        cursor, seen = page.cursor, seen + sum(len(chunk.data) for chunk in page.chunks)
        if page.ending is not None:
            break
    if seen != size or page.ending.reason is not ExecReason.EXITED:
        raise AssertionError(f"{seen} of {size} bytes, {page.ending}")
