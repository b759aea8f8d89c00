"""A claim whose outcome the store did not tell leaves no container that nobody makes and nobody knows of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal

import pytest

from devbench_core.containers import SpawnRequest
from devbench_core.errors import EngineFailed, StoreFailed
from devbench_core.model.container import EndReason, Status
from devbench_core.testing.fake.bench import FakeBench, fake_bench
from harness.pools import pools_of, tended

LOST = StoreFailed("the connection broke; outcome unknown")


@pytest.fixture(params=[0, 1], ids=["cold", "warm"])
async def lab(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[FakeBench]:
    async with fake_bench(tmp_path, pools=pools_of(request.param) if request.param else {}) as opened:
        if request.param:
            await tended(opened.bench)
        opened.store.faults.fail("apply", LOST, when="after")
        yield opened


async def test_the_next_round_ends_what_was_written_after_all(lab: FakeBench):
    containers = lab.bench.containers
    with pytest.raises(StoreFailed):
        await containers.spawn(SpawnRequest(alias="web"))
    [written] = (await containers.list()).containers
    await containers.tend()
    await containers.settle()
    ended = await containers.get(written.id)
    assert ended.ending is not None
    assert ended.ending.reason is EndReason.SPAWN_FAILED
    assert written.id not in await lab.left()
    assert (await containers.spawn(SpawnRequest(alias="web"))).container.status is Status.RUNNING


async def test_a_repeat_with_the_same_key_gets_one_that_lives(lab: FakeBench):
    containers, request = lab.bench.containers, SpawnRequest(idempotency_key="once")
    with pytest.raises(StoreFailed):
        await containers.spawn(request)
    repeat = asyncio.create_task(containers.spawn(request))
    await containers.tend()
    got = (await repeat).container
    await containers.tend()
    assert (await containers.get(got.id)).status is Status.RUNNING
    assert [each.id for each in (await containers.list()).containers] == [got.id]


@pytest.mark.parametrize("call", ["get", "apply"], ids=["silent", "ending not written"])
async def test_what_the_store_failed_in_one_round_is_done_by_the_round_after(
    lab: FakeBench, call: Literal["get", "apply"]
):
    containers = lab.bench.containers
    with pytest.raises(StoreFailed):
        await containers.spawn(SpawnRequest())
    lab.store.faults.fail(call, LOST, times=1)
    await containers.tend()
    await containers.tend()
    await containers.settle()
    assert (await containers.list()).containers == ()


async def test_a_failed_spawn_whose_ending_could_not_be_written_is_ended_by_the_next_round(tmp_path: Path):
    async with fake_bench(tmp_path) as lab:
        lab.runtime.faults.fail("start", EngineFailed("no"))
        lab.store.faults.fail("apply", LOST, after=1)
        with pytest.raises(EngineFailed):
            await lab.bench.containers.spawn(SpawnRequest(alias="web"))
        assert len((await lab.bench.containers.list()).containers) == 1
        await lab.bench.containers.tend()
        await lab.bench.containers.settle()
        assert (await lab.bench.containers.list()).containers == ()
        assert (
            await lab.bench.containers.spawn(SpawnRequest(alias="web"))
        ).container.status is Status.RUNNING


@pytest.mark.parametrize("key", [None, "once"])
async def test_a_claim_that_was_not_written_takes_nothing_from_who_gets_the_same_warm_container_next(
    tmp_path: Path, key: str | None
):
    async with fake_bench(tmp_path, pools=pools_of(1)) as lab:
        await tended(lab.bench)
        containers = lab.bench.containers
        lab.store.faults.fail("apply", LOST)
        with pytest.raises(StoreFailed):
            await containers.spawn(SpawnRequest(idempotency_key=key))
        lab.clock.pass_s(0.001)
        got = (await containers.spawn(SpawnRequest(alias="web"))).container
        await containers.tend()
        await containers.settle()
        assert (await containers.get("web")).status is Status.RUNNING
        assert [each.id for each in (await containers.list()).containers] == [got.id]
