"""A fault at any call of the runtime is told cleanly and leaves nothing behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import get_args

import pytest

from devbench_core.containers import SpawnRequest
from devbench_core.errors import DevbenchError, EngineUnreachable
from devbench_core.model.container import EndReason, Status
from devbench_core.model.execution import ExecRequest
from devbench_core.testing.fake import FakeBench, fake_bench
from devbench_core.testing.fake.faults import When
from devbench_core.testing.fake.runtime import RuntimeCall

DEADLINE_S = 20
every_call = pytest.mark.parametrize("call", get_args(RuntimeCall))
either_side = pytest.mark.parametrize("when", get_args(When))


def running_in(folder: Path) -> list[str]:
    """Return the processes that have their working directory beneath a folder."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append(process.name)
    return found


def left_on_disk(folder: Path) -> list[Path]:
    return list(folder.glob("containers/*"))


async def a_life(fake: FakeBench) -> None:
    """Make every call of the runtime, whatever becomes of it."""
    bench = fake.bench
    runtime = bench.runtime
    await runtime.ping()
    await bench.images.list()
    spawned = await bench.containers.spawn(SpawnRequest(persistent=True))
    command = await bench.execs.start(spawned.container.id, ExecRequest(argv=("sleep", "600")))
    await bench.containers.inspect(spawned.container.id)
    await bench.containers.reconcile()
    await bench.execs.cancel(command.id)
    stream = await runtime.connect(spawned.container.ref)
    await stream.close()
    await runtime.stop(spawned.container.ref, grace_s=0)
    await bench.containers.kill(spawned.container.id)


async def end_all(fake: FakeBench) -> None:
    """Do what an operator does once the engine answers again."""
    fake.runtime.answer_again()
    await fake.bench.containers.reconcile()
    for container in (await fake.bench.containers.list()).containers:
        await fake.bench.containers.kill(container.id)
    await fake.bench.containers.reconcile()


async def test_a_life_makes_every_call(fake: FakeBench):
    await a_life(fake)
    called = {call.name for call in fake.runtime.faults.calls}
    assert called == set(get_args(RuntimeCall))


@every_call
@either_side
async def test_a_fault_at_a_call_is_told_cleanly_and_leaks_nothing(
    call: RuntimeCall, when: When, tmp_path: Path
):
    async with fake_bench(tmp_path) as fake:
        fake.runtime.faults.fail(call, EngineUnreachable("gone"), times=None, when=when)
        try:
            async with asyncio.timeout(DEADLINE_S):
                await a_life(fake)
        except DevbenchError as error:
            assert error.code == EngineUnreachable.code  # noqa: PT017 - some faults are dealt with
        await end_all(fake)
        assert await fake.left() == []
        ended = await fake.bench.containers.list(include_ended=True)
        assert all(container.status is Status.GONE for container in ended.containers)
        assert left_on_disk(tmp_path) == []
        assert running_in(tmp_path) == []


@every_call
@either_side
async def test_a_caller_who_gives_up_a_call_that_hangs_leaks_nothing(
    call: RuntimeCall, when: When, tmp_path: Path
):
    async with fake_bench(tmp_path) as fake:
        fault = fake.runtime.faults.hang(call, when=when)
        life = asyncio.create_task(a_life(fake))
        async with asyncio.timeout(DEADLINE_S):
            await fault.reached()
            life.cancel()
            await asyncio.wait([life])
        await end_all(fake)
        assert await fake.left() == []
        assert left_on_disk(tmp_path) == []
        assert running_in(tmp_path) == []


async def test_a_spawn_whose_answer_got_lost_is_found_and_removed_by_reconciliation(fake: FakeBench):
    fake.runtime.faults.fail("create", EngineUnreachable("gone"), when="after")
    fake.runtime.faults.fail("list", EngineUnreachable("still gone"))
    with pytest.raises(EngineUnreachable):
        await fake.bench.containers.spawn(SpawnRequest(alias="lab"))
    (lost,) = await fake.left()
    report = await fake.bench.containers.reconcile()
    assert lost in report.removed
    assert await fake.left() == []
    await fake.bench.containers.spawn(SpawnRequest(alias="lab"))


async def test_a_repeated_spawn_after_a_lost_answer_makes_one_container(fake: FakeBench):
    fake.runtime.faults.fail("start", EngineUnreachable("gone"), when="after")
    request = SpawnRequest(idempotency_key="k")
    with pytest.raises(EngineUnreachable):
        await fake.bench.containers.spawn(request)
    spawned = await fake.bench.containers.spawn(request)
    assert await fake.left() == [spawned.container.id]


async def test_the_fake_says_that_it_isolates_nothing(fake: FakeBench):
    capabilities = fake.runtime.capabilities
    assert not capabilities.enforces
    assert all("plain processes" in reason for reason in capabilities.reasons.values())
    info = await fake.runtime.ping()
    assert info.name == "fake"
    assert info.details["isolation"].startswith("none")


async def test_time_that_passes_ends_what_is_due(fake: FakeBench):
    spawned = await fake.bench.containers.spawn(SpawnRequest(ttl_s=3600.0))
    idle = await fake.bench.containers.spawn(SpawnRequest(idle_timeout_s=60.0))
    await fake.advance(100)
    assert await fake.left() == [spawned.container.id]
    await fake.advance(3600)
    assert await fake.left() == []
    for container, reason in ((spawned.container, EndReason.EXPIRED), (idle.container, EndReason.IDLE)):
        found = await fake.bench.containers.get(container.id)
        assert found.ending is not None
        assert found.ending.reason is reason


async def test_time_that_passes_forgets_what_is_old(fake: FakeBench):
    spawned = await fake.bench.containers.spawn(SpawnRequest())
    await fake.bench.containers.kill(spawned.container.id)
    await fake.advance(60)
    assert (await fake.bench.containers.list(include_ended=True)).containers
    await fake.advance(30 * 86400)
    assert (await fake.bench.containers.list(include_ended=True)).containers == ()


async def test_another_host_sees_the_same(fake: FakeBench):
    spawned = await fake.bench.containers.spawn(SpawnRequest(persistent=True))
    async with fake.host() as other:
        assert (await other.containers.get(spawned.container.id)).ref == spawned.container.ref


async def test_persistent_containers_do_not_outlive_the_fake(tmp_path: Path):
    async with fake_bench(tmp_path) as fake:
        await fake.bench.containers.spawn(SpawnRequest(persistent=True))
    assert left_on_disk(tmp_path) == []


async def test_a_bench_ends_although_its_test_left_faults_behind(tmp_path: Path):
    async with fake_bench(tmp_path) as fake:
        await fake.bench.containers.spawn(SpawnRequest())
        fake.runtime.fall_silent()
    assert left_on_disk(tmp_path) == []
