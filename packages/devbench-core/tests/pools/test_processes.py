"""Hosts as processes of their own: killed while they fill and while they claim, and claiming at once."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.bench import Bench
from devbench_core.containers import SpawnRequest
from devbench_core.pools import records
from devbench_core.testing.fake import FakePlugin
from devbench_core.testing.fake.bench import LOOSE
from harness.leftovers import end_what_names
from harness.pools import pools_of, tended

LIVES = int(os.environ.get("DEVBENCH_TEST_POOL_LIVES", "3"))
"""Of two hosts each; more of them find what happens seldom."""
HOST = """
import asyncio, json, os, signal, sys
from pathlib import Path
import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.pools import records
from devbench_core.testing.fake import FakePlugin, FakeRuntime

role, step, root, config = sys.argv[1], sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4])

def die(here):
    if here == step:
        os.kill(os.getpid(), signal.SIGKILL)

def deadly(name):
    method = getattr(FakeRuntime, name)
    async def call(self, *args, **kwargs):
        die(f"before {name}")
        result = await method(self, *args, **kwargs)
        die(f"after {name}")
        return result
    return call

async def fill():
    for name in ("create", "start", "connect"):
        setattr(FakeRuntime, name, deadly(name))
    async with devbench_core.open(config, plugins=[FakePlugin(root)]) as bench:
        await asyncio.sleep(60)  # the loop of the pools does the rest

async def claim():
    async with devbench_core.open(config, plugins=[FakePlugin(root)]) as bench:
        take = records.remove
        def deadly_take(warm):
            die("before the claim")
            return take(warm)
        records.remove = deadly_take
        await bench.containers.spawn(SpawnRequest(alias="lab", idempotency_key="k", persistent=True))
        die("after the claim")

async def many():
    async with devbench_core.open(config, plugins=[FakePlugin(root)], serving=False) as bench:
        print("open", flush=True)
        sys.stdin.readline()
        spawned = await asyncio.gather(*(bench.containers.spawn(SpawnRequest(persistent=True)) for _ in range(8)))
        print(json.dumps([each.container.id for each in spawned]), flush=True)

async def busy():
    async def one():
        while True:
            container = (await bench.containers.spawn(SpawnRequest(persistent=True))).container
            await bench.containers.kill(container.id)
    async with devbench_core.open(config, plugins=[FakePlugin(root)]) as bench:
        print("open", flush=True)
        await asyncio.gather(*(one() for _ in range(3)))

asyncio.run({"fill": fill, "claim": claim, "many": many, "busy": busy}[role]())
"""


@pytest.fixture(autouse=True)
def nothing_runs_on(tmp_path: Path) -> Generator[None]:
    """End what the fake runtime does not know."""
    yield
    end_what_names(tmp_path)


def config_of(folder: Path, floor: int) -> dict[str, Any]:
    return {
        "plugins": ["sql"],
        "runtime": "fake",
        "store": "sql",
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "policy": LOOSE,
        "pools": pools_of(floor),
    }


def host(folder: Path, role: str, step: str, config: dict[str, Any]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOST, role, step, str(folder / "containers"), json.dumps(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@asynccontextmanager
async def opened(folder: Path, config: dict[str, Any]) -> AsyncGenerator[tuple[Bench, FakePlugin]]:
    """Open a host in this process, at whose end nothing is left on the engine."""
    fakes = FakePlugin(folder / "containers")
    async with devbench_core.open(config, plugins=[fakes]) as bench:
        try:
            yield bench, fakes
        finally:
            for container in (await bench.containers.list()).containers:
                await bench.containers.kill(container.id)


async def accounted_for(bench: Bench, fakes: FakePlugin) -> bool:
    """Tell whether the engine has what is recorded, and nothing else."""
    there = sorted([each.container_id async for each in fakes.runtime.list(bench.installation)])
    waiting = [warm.id async for warm in records.listed(bench.store)]
    living = [container.id for container in (await bench.containers.list()).containers]
    tokens = [record.key for record in (await bench.store.list("container_token")).records]
    slots = [
        str(record.data["container_id"]) for record in (await bench.store.list(records.SLOT_KIND)).records
    ]
    return there == sorted([*waiting, *living]) == sorted(tokens) and sorted(slots) == sorted(waiting)


@pytest.mark.parametrize(
    "step",
    ["before create", "after create", "before start", "after start", "before connect", "after connect"],
)
async def test_a_host_that_is_killed_while_it_fills_leaves_nothing_that_is_not_recorded(
    tmp_path: Path, step: str
):
    config = config_of(tmp_path, 2)
    killed = await asyncio.to_thread(host(tmp_path, "fill", step, config).wait, 60)
    assert killed == -signal.SIGKILL
    async with opened(tmp_path, config) as (bench, fakes):
        assert (await tended(bench)).ready == 2
        assert await accounted_for(bench, fakes)


@pytest.mark.parametrize("step", ["before the claim", "after the claim"])
async def test_a_host_that_is_killed_while_it_claims_has_the_container_or_has_not(tmp_path: Path, step: str):
    config = config_of(tmp_path, 2)
    async with opened(tmp_path, config) as (bench, fakes):
        assert (await tended(bench)).ready == 2
        ready = {warm.id async for warm in records.listed(bench.store)}
        killed = await asyncio.to_thread(host(tmp_path, "claim", step, config).wait, 60)
        assert killed == -signal.SIGKILL
        living = [container.id for container in (await bench.containers.list()).containers]
        assert len(living) == (1 if step == "after the claim" else 0)
        assert set(living) <= ready
        request = SpawnRequest(alias="lab", idempotency_key="k", persistent=True)
        again = await bench.containers.spawn(request)
        assert again.replayed == (step == "after the claim")
        await bench.containers.sweep()
        assert (await tended(bench)).ready == 2
        assert await accounted_for(bench, fakes)


async def test_processes_that_claim_at_once_never_get_the_same_one(tmp_path: Path):
    config = config_of(tmp_path, 12)
    async with opened(tmp_path, config) as (bench, fakes):
        assert (await tended(bench)).ready == 12
        ready = {warm.id async for warm in records.listed(bench.store)}
        processes = [host(tmp_path, "many", "", config) for _ in range(2)]
        for process in processes:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "open\n"
        outputs = await asyncio.gather(
            *(asyncio.to_thread(each.communicate, "go\n", 60) for each in processes)
        )
        got = [identifier for output, _ in outputs for identifier in json.loads(output)]
        assert len(set(got)) == len(got) == 16
        assert ready <= set(got)
        await bench.containers.sweep()
        await tended(bench)
        assert await accounted_for(bench, fakes)


async def test_hosts_that_are_killed_again_and_again_at_any_moment_leave_nothing_that_is_not_recorded(
    tmp_path: Path,
):
    config = config_of(tmp_path, 3)
    config["pools"]["check_interval_s"] = 0.3
    chance = random.Random(5)  # noqa: S311 - repeatable
    for _ in range(LIVES):
        hosts = [host(tmp_path, "busy", "", config) for _ in range(2)]
        for each in hosts:
            assert each.stdout is not None
            assert await asyncio.to_thread(each.stdout.readline) == "open\n"
        for each in hosts:
            await asyncio.sleep(chance.uniform(0.05, 1.0))
            each.kill()
            await asyncio.to_thread(each.communicate)
    async with opened(tmp_path, config) as (bench, fakes):
        await bench.containers.sweep()
        assert (await tended(bench)).ready == 3
        await bench.containers.settle()
        assert await accounted_for(bench, fakes)
