"""Spawns, kills, looks and shutdowns that meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import devbench_core
from devbench_core.config.load import from_values
from devbench_core.containers import PolicyRequest, SpawnRequest
from devbench_core.containers.validate import spec_of
from devbench_core.contracts.runtime import CreateRequest
from devbench_core.errors import (
    DevbenchError,
    EngineFailed,
    EngineUnreachable,
    StoreFailed,
    TimedOut,
    ValidationFailed,
)
from devbench_core.model.container import Observed, Status
from devbench_core.model.execution import ExecRequest
from devbench_core.model.policy import Clause, Policy
from devbench_core.testing.fake import FakeClock, FakeRuntime
from devbench_core.testing.fake.bench import FakeBench, Opener, fake_bench
from devbench_core.testing.fake.faults import Fault

KILLS = 5


async def hangs(ref: str) -> None:
    """Stand in for a removal that the engine never answers."""
    await asyncio.Event().wait()


async def test_a_container_spawned_while_the_engine_is_listed_lives(
    bench: devbench_core.Bench, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
):
    spawned: list[str] = []
    listing = runtime.list

    async def slow(installation: str) -> AsyncIterator[Observed]:
        found = [observed async for observed in listing(installation)]
        if not spawned:
            spawned.append((await bench.containers.spawn(SpawnRequest())).container.id)
        for observed in found:
            yield observed

    monkeypatch.setattr(runtime, "list", slow)
    await bench.containers.sweep()
    assert (await bench.containers.get(spawned[0])).status is Status.RUNNING


async def test_an_engines_own_error_ends_no_container(bench: devbench_core.Bench, runtime: FakeRuntime):
    spawned = await bench.containers.spawn(SpawnRequest())
    runtime.faults.fail("inspect", EngineFailed("500"), times=None)
    found = await bench.containers.inspect(spawned.container.id)
    assert (found.status, found.ending) == (Status.UNKNOWN, None)
    runtime.answer_again()
    assert (await bench.containers.inspect(spawned.container.id)).status is Status.RUNNING


@pytest.mark.parametrize("user", ["00", "000:1", "01"])
def test_a_user_written_with_leading_zeros_is_refused(user: str):
    with pytest.raises(ValidationFailed):
        spec_of(SpawnRequest(policy=PolicyRequest(user=user)), from_values({}))
    assert Policy(user="00").runs_as_root
    assert Clause.NON_ROOT not in Policy(user="00").clauses()


async def test_a_shutdown_ends_although_the_engine_is_silent(opener: Opener, runtime: FakeRuntime):
    async with asyncio.timeout(20):
        async with opener() as bench:
            first = (await bench.containers.spawn(SpawnRequest())).container
            await bench.containers.spawn(SpawnRequest())
            runtime.fall_silent()
        runtime.answer_again()
        async with opener() as bench:
            assert (await bench.containers.get(first.id)).status is Status.GONE
            assert [o async for o in runtime.list(bench.installation)] == []


async def test_a_kill_during_the_creation_leaves_nothing_running(
    bench: devbench_core.Bench, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
):
    create = runtime.create

    async def killed_meanwhile(request: CreateRequest) -> str:
        await bench.containers.kill("lab")
        return await create(request)

    monkeypatch.setattr(runtime, "create", killed_meanwhile)
    with pytest.raises(DevbenchError):
        await bench.containers.spawn(SpawnRequest(alias="lab"))
    assert [o async for o in runtime.list(bench.installation)] == []


async def test_a_container_in_which_another_hosts_command_runs_is_not_idle(opener: Opener, clock: FakeClock):
    async with opener() as one, opener() as two:
        container = (await one.containers.spawn(SpawnRequest(idle_timeout_s=60.0))).container.id
        run = await one.execs.start(container, ExecRequest(argv=("sleep", "600")))
        clock.pass_s(120)
        await two.containers.sweep()
        assert (await two.containers.get(container)).ending is None
        await one.execs.cancel(run.id)


async def test_one_container_that_cannot_be_ended_does_not_keep_the_others_alive(
    bench: devbench_core.Bench, runtime: FakeRuntime, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
):
    stuck, other = [(await bench.containers.spawn(SpawnRequest(ttl_s=60.0))).container for _ in range(2)]
    remove = runtime.remove

    async def fails_for_one(ref: str) -> None:
        if ref == stuck.ref:
            raise EngineUnreachable("not this one")
        await remove(ref)

    monkeypatch.setattr(runtime, "remove", fails_for_one)
    clock.pass_s(61)
    await bench.containers.sweep()
    assert (await bench.containers.get(other.id)).status is Status.GONE
    monkeypatch.undo()
    await bench.containers.sweep()
    assert (await bench.containers.get(stuck.id)).status is Status.GONE


async def test_a_spawn_that_failed_is_told_although_what_it_made_cannot_be_removed(
    opener: Opener, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
):
    async with opener(containers={"kill_timeout_s": 0.5}) as bench:
        runtime.faults.fail("start", EngineUnreachable("silent"), times=1)
        with monkeypatch.context() as patch:
            patch.setattr(runtime, "remove", hangs)
            async with asyncio.timeout(KILLS):
                with pytest.raises(EngineUnreachable, match="silent"):
                    await bench.containers.spawn(SpawnRequest(alias="lab"))
        assert (await bench.containers.spawn(SpawnRequest(alias="lab"))).container.ending is None
        await bench.containers.sweep()
        assert len([each async for each in runtime.list(bench.installation)]) == 1


async def test_a_kill_that_waits_for_others_ends_within_its_own_bound(
    opener: Opener, runtime: FakeRuntime, monkeypatch: pytest.MonkeyPatch
):
    async with opener(containers={"kill_timeout_s": 1}) as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        with monkeypatch.context() as patch:
            patch.setattr(runtime, "remove", hangs)
            async with asyncio.timeout(KILLS - 1):
                kills = (bench.containers.kill(container) for _ in range(KILLS))
                results = await asyncio.gather(*kills, return_exceptions=True)
        assert [type(each) for each in results] == [TimedOut] * KILLS
        assert (await bench.containers.kill(container)).status is Status.GONE


async def test_interest_in_a_container_is_bounded_and_renewable(
    bench: devbench_core.Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("devbench_core.containers.service.ATTACHMENTS_MAX", 3)
    container = (await bench.containers.spawn(SpawnRequest())).container.id
    for number in (0, 1, 2, 1):
        await bench.containers.attach(container, client="c", session=str(number))
    with pytest.raises(ValidationFailed, match="session"):
        await bench.containers.attach(container, client="c", session="3")


async def test_a_repeat_does_not_wait_for_ever_for_a_spawn_whose_caller_left_while_it_was_undone(
    bench: devbench_core.Bench, runtime: FakeRuntime
):
    request = SpawnRequest(idempotency_key="one")
    runtime.faults.fail("start", EngineFailed("no"))
    undoing = runtime.faults.hang("remove")
    first = asyncio.create_task(bench.containers.spawn(request))
    await undoing.reached()
    repeat = asyncio.create_task(bench.containers.spawn(request))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    async with asyncio.timeout(30):
        with pytest.raises(EngineFailed):  # what became of the first
            await repeat
    undoing.release()
    got = (await bench.containers.spawn(request)).container
    assert (await bench.containers.get(got.id)).status is Status.RUNNING
    await bench.containers.tend()
    await bench.containers.settle()
    assert [each.container_id async for each in runtime.list(bench.installation)] == [got.id]


async def left_while_it_is_claimed(lab: FakeBench) -> Fault:
    """Spawn for a caller that goes away while the store writes the claim, which it says when it is released."""
    claiming = lab.store.faults.hang("apply", when="after")
    spawning = asyncio.create_task(lab.bench.containers.spawn(SpawnRequest(alias="web")))
    await claiming.reached()
    spawning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await spawning
    return claiming


async def test_a_claim_whose_caller_left_and_whose_ending_could_not_be_written_is_ended_by_the_next_round(
    tmp_path: Path,
):
    async with fake_bench(tmp_path) as lab:
        claiming = await left_while_it_is_claimed(lab)
        ending = lab.store.faults.fail("apply", StoreFailed("full"))
        claiming.release()
        await ending.reached()
        await asyncio.sleep(0)
        await lab.bench.containers.tend()
        await lab.bench.containers.settle()
        assert (await lab.bench.containers.list()).containers == ()


async def test_a_fault_of_a_plugin_while_a_claim_is_undone_whose_caller_left_does_not_end_the_host(
    tmp_path: Path,
):
    async with fake_bench(tmp_path) as lab:
        claiming = await left_while_it_is_claimed(lab)
        broken = lab.runtime.faults.fail("list", ValueError("a plugin's own"), times=1)
        claiming.release()
        await broken.reached()
        await lab.bench.containers.tend()
        await lab.bench.containers.settle()
        assert (await lab.bench.containers.list()).containers == ()
        assert (
            await lab.bench.containers.spawn(SpawnRequest(alias="web"))
        ).container.status is Status.RUNNING
