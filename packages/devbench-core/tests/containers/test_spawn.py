"""One container for one intent, or none and no orphan."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import (
    Conflict,
    ContainerExited,
    ContainerNotFound,
    EngineFailed,
    EngineUnreachable,
    ImageNotFound,
    NotEnforced,
    Vetoed,
)
from devbench_core.hookspecs import hookimpl
from devbench_core.model.caller import Caller
from devbench_core.model.container import EndReason, Status
from devbench_core.model.event import Event, Request, Veto
from devbench_core.model.policy import Clause
from devbench_core.testing.fake import FakeClock, FakeRuntime
from devbench_core.testing.fake.bench import LOOSE, Opener

KEY = SpawnRequest(idempotency_key="k1", labels={"a": "b"})


async def left(runtime: FakeRuntime, bench: devbench_core.Bench) -> list[str]:
    return [o.container_id async for o in runtime.list(bench.installation)]


async def test_a_spawned_container_runs_and_has_its_record(bench: devbench_core.Bench):
    spawned = await bench.containers.spawn(SpawnRequest(alias="lab", labels={"team": "x"}))
    container = await bench.containers.get("lab")
    assert container == spawned.container
    assert container.status is Status.RUNNING
    assert container.id.startswith("c_")
    assert container.created_at.utcoffset() == timedelta(0)
    assert not spawned.replayed


async def test_the_same_key_gives_the_same_container(bench: devbench_core.Bench):
    first = await bench.containers.spawn(KEY)
    second = await bench.containers.spawn(KEY)
    assert second.replayed
    assert second.container.id == first.container.id


async def test_a_hundred_concurrent_calls_with_one_key_make_one_container(
    bench: devbench_core.Bench, runtime: FakeRuntime
):
    spawned = await asyncio.gather(*(bench.containers.spawn(KEY) for _ in range(100)))
    assert len({s.container.id for s in spawned}) == 1
    assert sum(not s.replayed for s in spawned) == 1
    assert runtime.faults.count("create") == 1


async def test_two_hosts_with_one_key_make_one_container(opener: Opener, runtime: FakeRuntime):
    async with opener() as one, opener() as two:
        spawned = await asyncio.gather(*(host.containers.spawn(KEY) for host in (one, two) * 10))
        assert len({s.container.id for s in spawned}) == 1
        assert runtime.faults.count("create") == 1


async def test_a_key_with_a_different_request_is_refused(bench: devbench_core.Bench):
    await bench.containers.spawn(KEY)
    with pytest.raises(Conflict, match="different request"):
        await bench.containers.spawn(SpawnRequest(idempotency_key="k1", labels={"a": "c"}))


async def test_the_same_key_of_another_subject_is_another_key(bench: devbench_core.Bench):
    first = await bench.containers.spawn(KEY)
    second = await bench.containers.spawn(KEY, caller=Caller(subject="somebody"))
    assert second.container.id != first.container.id


async def test_a_spawn_that_failed_frees_its_key_and_alias_and_leaves_nothing(
    bench: devbench_core.Bench, runtime: FakeRuntime
):
    request = SpawnRequest(idempotency_key="k1", alias="lab")
    runtime.faults.fail("start", EngineFailed("no"), times=None)
    with pytest.raises(EngineFailed):
        await bench.containers.spawn(request)
    runtime.answer_again()
    assert await left(runtime, bench) == []
    again = await bench.containers.spawn(request)
    assert not again.replayed
    ended = await bench.containers.list(include_ended=True)
    reasons = [c.ending.reason for c in ended.containers if c.ending]
    assert reasons == [EndReason.SPAWN_FAILED]


async def test_an_image_that_vanished_from_the_engine_is_resolved_once_more(
    bench: devbench_core.Bench, runtime: FakeRuntime
):
    await bench.containers.spawn(SpawnRequest())
    hits = bench.images.cache.hits
    runtime.faults.fail("create", ImageNotFound("gone"), times=None)
    with pytest.raises(ImageNotFound):
        await bench.containers.spawn(SpawnRequest())
    assert runtime.faults.count("create") == 3
    assert bench.images.cache.hits == hits + 1


async def test_expired_keys_are_free_and_swept(bench: devbench_core.Bench, clock: FakeClock):
    first = await bench.containers.spawn(KEY)
    clock.pass_s(25 * 3600)
    second = await bench.containers.spawn(KEY)
    assert second.container.id != first.container.id
    clock.pass_s(25 * 3600)
    await bench.containers.sweep()
    assert (await bench.store.list("idempotency")).records == ()


async def test_a_spawn_that_is_cancelled_leaves_nothing(bench: devbench_core.Bench, runtime: FakeRuntime):
    task = asyncio.create_task(bench.containers.spawn(SpawnRequest(alias="lab")))
    async with asyncio.timeout(10):
        while not runtime.faults.count("create"):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while await left(runtime, bench) or (await bench.containers.list()).containers:
            await asyncio.sleep(0.01)
    await bench.containers.spawn(SpawnRequest(alias="lab"))


async def test_a_cancelled_spawn_does_not_fail_those_who_wait_for_the_same_key(
    bench: devbench_core.Bench, runtime: FakeRuntime
):
    first = asyncio.create_task(bench.containers.spawn(KEY))
    async with asyncio.timeout(10):
        while not runtime.faults.count("create"):
            await asyncio.sleep(0.001)
    second = asyncio.create_task(bench.containers.spawn(KEY))
    await asyncio.sleep(0)
    first.cancel()
    spawned = await second
    observed = await left(runtime, bench)
    assert spawned.container.id in observed
    async with asyncio.timeout(10):
        while await left(runtime, bench) != [spawned.container.id]:
            await asyncio.sleep(0.01)


async def test_an_alias_is_unique_among_the_living_and_reusable_after(bench: devbench_core.Bench):
    first = await bench.containers.spawn(SpawnRequest(alias="lab"))
    with pytest.raises(Conflict, match="'lab' is taken"):
        await bench.containers.spawn(SpawnRequest(alias="lab"))
    await bench.containers.kill("lab")
    second = await bench.containers.spawn(SpawnRequest(alias="lab"))
    assert second.container.id != first.container.id
    assert (await bench.containers.get("lab")).id == second.container.id


async def test_tenants_do_not_see_each_other(bench: devbench_core.Bench):
    mine = await bench.containers.spawn(SpawnRequest(alias="lab"))
    other = Caller(tenant="other")
    for name in ("lab", mine.container.id):
        with pytest.raises(ContainerNotFound):
            await bench.containers.get(name, caller=other)
    assert (await bench.containers.list(caller=other)).containers == ()
    await bench.containers.spawn(SpawnRequest(alias="lab"), caller=other)


async def test_a_policy_that_cannot_be_enforced_is_refused_before_anything_starts(
    opener: Opener, runtime: FakeRuntime
):
    async with opener(policy={}) as strict:
        with pytest.raises(NotEnforced, match="memory"):
            await strict.containers.spawn(SpawnRequest())
    assert runtime.faults.count("create") == 0


async def test_a_veto_refuses_and_names_its_clause(opener: Opener, runtime: FakeRuntime):
    class NoSpawns:
        @hookimpl
        def devbench_review(self, request: Request) -> Veto | None:
            return Veto(clause="night", reason="not now") if request.operation == "container.spawn" else None

    async with opener(NoSpawns()) as bench:
        with pytest.raises(Vetoed, match="night: not now"):
            await bench.containers.spawn(SpawnRequest())
    assert runtime.faults.count("create") == 0


async def test_observers_hear_of_spawn_and_end(opener: Opener):
    heard: list[str] = []

    class Ear:
        @hookimpl
        def devbench_event(self, event: Event) -> None:
            heard.append(event.name)

    async with opener(Ear()) as bench:
        spawned = await bench.containers.spawn(SpawnRequest())
        await bench.containers.kill(spawned.container.id)
    assert heard == ["container.spawned", "container.ended"]


async def test_a_silent_engine_refuses_a_spawn_as_retryable(bench: devbench_core.Bench, runtime: FakeRuntime):
    runtime.fall_silent()
    with pytest.raises(EngineUnreachable) as caught:
        await bench.containers.spawn(SpawnRequest())
    assert caught.value.retry


async def test_a_killed_container_refuses_use_and_says_what_happened(bench: devbench_core.Bench):
    spawned = await bench.containers.spawn(SpawnRequest(alias="lab"))
    await bench.containers.kill("lab", caller=Caller(subject="ann"))
    with pytest.raises(ContainerExited, match="killed by ann"):
        await bench.containers.attach(spawned.container.id, client="c")


def test_the_loose_policy_names_every_clause():
    assert LOOSE["tolerate_absent"] == [str(clause) for clause in Clause]
