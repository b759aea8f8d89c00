"""Spawns that get what waits in a pool, beside those that make their own, both through the Python API."""

from __future__ import annotations

from pathlib import Path

import devbench_core
from performance.measure import Row, Step, interleave
from performance.ours import Python
from performance.setting import Setting

COLD, WARM = "cold", "warm"
WAITING = 2
SELDOM_S = 600.0
"""The pool is looked at between the turns, not within one."""


async def run(setting: Setting, config: Path, image: str, *, bounds: bool) -> list[Row]:
    """Measure on the runtime of a configuration.

    Args:
        setting: How many rounds.
        config: Of a host with a state folder of its own.
        image: What is spawned.
        bounds: Whether the promised ones hold for this runtime.
    """
    pools = {"warm": {"bench": {"image": image, "floor": WAITING}}, "check_interval_s": SELDOM_S}
    async with (
        devbench_core.open(config) as cold_bench,
        devbench_core.open(config, overrides={"pools": pools}) as warm_bench,
    ):
        cold, warm = Python(cold_bench, image), Python(warm_bench, image)

        async def refill() -> None:
            await warm.kill()
            await warm_bench.pools.tend()
            await warm_bench.pools.settle()

        await refill()
        await refill()
        (state,) = await warm_bench.pools.states()
        if state.ready < WAITING:
            raise AssertionError(state)
        rows = [
            await interleave(
                operation,
                steps,
                rounds=setting.slow,
                after={COLD: cold.kill, WARM: refill},
                bounds={WARM: most} if bounds else {},
                bounds_ms={WARM: 25.0} if bounds else {},
            )
            for operation, steps, most in (
                ("warm spawn (raw: a cold one)", {COLD: cold.spawn, WARM: warm.spawn}, 0.10),
                (
                    "warm spawn and first command (raw: a cold one)",
                    {COLD: _used(cold), WARM: _used(warm)},
                    0.15,
                ),
            )
        ]
        (state,) = await warm_bench.pools.states()
        if state.misses:
            raise AssertionError(f"a spawn that was to be warm was not: {state}")
        return rows


def _used(contender: Python) -> Step:
    async def step() -> None:
        await contender.spawn()
        await contender.true()

    return step
