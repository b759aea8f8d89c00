"""Warm pools as tests set them up and look at them."""

from __future__ import annotations

from typing import Any

from devbench_core.bench import Bench
from devbench_core.pools import PoolState
from devbench_core.testing.fake.bench import SELDOM_S


def pools_of(floor: int = 2, ceiling: int = 0, *, template: Any = None, **limits: Any) -> dict[str, Any]:
    """Return the settings of one pool, ``lab``, that is looked at when a test says so."""
    pool: dict[str, Any] = {"floor": floor, "ceiling": ceiling, **(template or {})}
    seldom = {"check_interval_s": SELDOM_S, "image_check_s": SELDOM_S, "claim_timeout_s": 30.0}
    return {"warm": {"lab": pool}, **seldom, **limits}


async def tended(bench: Bench) -> PoolState:
    """Let a host look at its pools, and return the state of the one when all is done."""
    await bench.pools.tend()
    await bench.pools.settle()
    await bench.pools.tend()
    (state,) = await bench.pools.states()
    return state
