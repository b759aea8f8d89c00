"""What is due is said before it is done, and saying it changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.containers.instances import KIND as INSTANCE
from devbench_core.containers.repository import KIND as CONTAINER
from devbench_core.contracts.store import Put, Remove
from devbench_core.leading.leader import Leader
from devbench_core.model.execution import ExecRequest
from devbench_core.model.finding import Finding, Garbage
from devbench_core.testing.fake import FakeClock, FakeRuntime
from devbench_core.testing.fake.bench import Opener

DAYS = 86_400.0


def shown(findings: tuple[Finding, ...]) -> set[tuple[str, str, str]]:
    return {(each.what, each.id, each.reason) for each in findings}


async def test_nothing_is_due_of_a_container_that_lives(bench: devbench_core.Bench):
    await bench.containers.spawn(SpawnRequest(ttl_s=60, idle_timeout_s=60))
    assert await bench.containers.due() == ()
    assert await bench.execs.due() == ()


async def test_each_container_that_is_over_is_named_with_its_reason(
    bench: devbench_core.Bench, clock: FakeClock
):
    expired = (await bench.containers.spawn(SpawnRequest(ttl_s=60))).container
    idle = (await bench.containers.spawn(SpawnRequest(idle_timeout_s=60))).container
    busy = (await bench.containers.spawn(SpawnRequest(idle_timeout_s=60))).container
    await bench.execs.start(busy.id, ExecRequest(argv=("sleep", "600")))
    lost = (await bench.containers.spawn(SpawnRequest())).container
    shutil.rmtree(Path(lost.ref))
    clock.pass_s(61)
    wanted = {
        ("container", expired.id, "expired"),
        ("container", idle.id, "idle"),
        ("container", lost.id, "lost"),
    }
    assert shown(await bench.containers.due()) == wanted
    assert shown(await bench.containers.due()) == wanted, "to look changes nothing"
    assert await Leader(bench).once()
    assert await bench.containers.due() == ()


async def test_a_command_line_does_a_round_only_where_something_is_due_and_no_host_stays(
    opener: Opener, clock: FakeClock
):
    async with opener(serving=False) as short:
        await short.containers.spawn(SpawnRequest(ttl_s=60, persistent=True))
        assert not await short.containers.wants_round()
        clock.pass_s(61)
        assert await short.containers.wants_round()
        async with opener():
            assert not await short.containers.wants_round(), "the host ends it"


async def test_a_command_line_does_a_round_where_it_cannot_tell_what_is_due(
    opener: Opener, runtime: FakeRuntime
):
    async with opener(serving=False) as short:
        container = (await short.containers.spawn(SpawnRequest(persistent=True))).container
        assert not await short.containers.wants_round()
        runtime.fall_silent()
        assert await short.containers.wants_round()
        runtime.answer_again()
        await short.store.apply(Put(kind=INSTANCE, key="i_odd", data={"unreadable": True}))
        assert await short.containers.wants_round()
        await short.store.apply(Remove(kind=INSTANCE, key="i_odd"))
        await short.containers.kill(container.id)


async def test_a_container_without_a_record_is_no_reason_for_a_round_while_it_is_kept(
    opener: Opener, clock: FakeClock
):
    async with opener(serving=False) as short:
        container = (await short.containers.spawn(SpawnRequest(persistent=True))).container
        await short.store.apply(Remove(kind=CONTAINER, key=container.id))
        await short.containers.reconcile()
        assert shown(await short.containers.due()) == {("orphan", container.id, "lifetimes.orphan_grace_s")}
        assert not await short.containers.wants_round()
        clock.pass_s(301)
        assert await short.containers.wants_round()
        await short.containers.reconcile()


async def test_records_and_outputs_are_counted_by_what_asks_for_their_removal(
    opener: Opener, clock: FakeClock
):
    limits = {"retain_s": 10 * DAYS, "retain_per_container": 2}
    async with opener(execs=limits, lifetimes={"ended_retention_s": 5 * DAYS}) as bench:
        container = (await bench.containers.spawn(SpawnRequest(idempotency_key="once"))).container
        for _ in range(3):
            run = await bench.execs.start(container.id, ExecRequest(argv=("true",)))
            await bench.execs.wait(run.id, wait_s=20)
        clock.pass_s(120)
        assert await bench.execs.due() == (
            Finding(what=Garbage.COMMAND, reason="execs.retain_per_container", count=1),
        )
        clock.pass_s(10 * DAYS)
        assert await bench.execs.due() == (Finding(what=Garbage.COMMAND, reason="execs.retain_s", count=3),)
        await bench.containers.kill(container.id)
        await bench.containers.settle()
        clock.pass_s(6 * DAYS)
        found = await bench.containers.due()
        assert ("record", container.id, "lifetimes.ended_retention_s") in shown(found)
        assert ("key", "", "expired") in shown(found)
        assert await Leader(bench).once()
        assert not {each.what for each in await bench.containers.due()} & {Garbage.RECORD, Garbage.KEY}
        assert await bench.execs.due() == ()


async def test_one_who_only_looks_reconciles_nothing(opener: Opener, runtime: FakeRuntime, clock: FakeClock):
    async with opener() as bench:
        container = (await bench.containers.spawn(SpawnRequest(persistent=True, ttl_s=60))).container
    clock.pass_s(61)
    async with opener(passive=True) as bench:
        assert shown(await bench.containers.due()) == {("container", container.id, "expired")}
    assert len([o async for o in runtime.list(bench.installation)]) == 1
