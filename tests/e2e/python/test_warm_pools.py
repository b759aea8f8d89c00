"""Warm pools on real runtimes: what is claimed is like what is made for the asking, bursts, and killed hosts."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

import devbench_core
from contract.hosts import HOST_KINDS, config_of
from devbench_core.bench import Bench
from devbench_core.containers import PolicyRequest, SpawnRequest
from devbench_core.model.container import Container
from devbench_core.pools import records
from devbench_core.records import to_json
from harness.pools import pools_of, tended
from harness.seen import on_engine, within, without_own

DEADLINE_S = 60.0
FILLING = """
import asyncio, json, sys
import devbench_core

async def main():
    async with devbench_core.open(json.loads(sys.argv[1])):
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture(params=HOST_KINDS)
def config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return config_of(request.param, request, tmp_path_factory)


@asynccontextmanager
async def opened(config: dict[str, Any], **values: Any) -> AsyncGenerator[Bench]:
    """Open a host at whose end nothing is left on the engine."""
    async with devbench_core.open({**config, **values}) as bench:
        try:
            yield bench
        finally:
            for container in (await bench.containers.list()).containers:
                await bench.containers.kill(container.id)


async def waiting(bench: Bench) -> set[str]:
    return {warm.id async for warm in records.listed(bench.store)}


def recorded(container: Container) -> str:
    """Return a record without what differs between any two containers."""
    return without_own(json.dumps(to_json(attrs.evolve(container, instance="", revision=0)), sort_keys=True))


async def test_what_is_claimed_is_like_what_is_made_for_the_asking(config: dict[str, Any]):
    request = SpawnRequest(env={"COLOUR": "blue"}, labels={"team": "x"}, persistent=True, ttl_s=600.0)
    async with opened(config, pools=pools_of(1)) as bench, opened(config) as other:
        assert (await tended(bench)).ready == 1
        ready = await waiting(bench)
        warm = (await bench.containers.spawn(request)).container
        cold = (await other.containers.spawn(request)).container
        assert warm.id in ready
        assert recorded(warm) == recorded(cold)
        assert on_engine(config, warm) == on_engine(config, cold)
        stricter = await other.containers.spawn(SpawnRequest(policy=PolicyRequest(pids=99)))
        assert on_engine(config, stricter.container) != on_engine(config, cold)  # it would be seen
        seen_warm, seen_cold = await within(bench, warm), await within(other, cold)
        assert "COLOUR=blue" in seen_warm
        assert seen_warm == seen_cold


async def test_a_burst_of_fifty_is_served_from_the_pool_first_and_none_fails(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
):
    config = config_of("bubblewrap", request, tmp_path_factory)
    async with opened(config, pools=pools_of(10, parallel=4)) as bench:
        assert (await tended(bench)).ready == 10
        ready = await waiting(bench)
        many = await asyncio.gather(*(bench.containers.spawn(SpawnRequest()) for _ in range(50)))
        got = [spawned.container.id for spawned in many]
        assert len(set(got)) == 50
        assert ready <= set(got)
        state = await tended(bench)
        assert (state.ready, state.hits + state.misses) == (10, 50)
        assert state.hits >= 10
        at_once = asyncio.Semaphore(8)

        async def kill(container: str) -> None:
            async with at_once:
                await bench.containers.kill(container)

        await asyncio.gather(*(kill(container) for container in got))


async def test_a_host_that_is_killed_while_it_fills_leaks_nothing(config: dict[str, Any]):
    killed = {**config, "pools": {**pools_of(4), "parallel": 2}}
    host = await asyncio.to_thread(subprocess.Popen, [sys.executable, "-c", FILLING, json.dumps(killed)])
    async with opened(config) as bench:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while len(await waiting(bench)) < 3:  # one is ready, the next are being made
                    await asyncio.sleep(0.02)
        finally:
            host.send_signal(signal.SIGKILL)
            await asyncio.to_thread(host.wait)
    async with opened(config, pools=pools_of(2)) as heir:
        state = await tended(heir)
        there = [each.container_id async for each in heir.runtime.list(heir.installation)]
        assert state.ready == 2
        assert set(there) == await waiting(heir)
        assert (await heir.containers.spawn(SpawnRequest())).container.id in there
