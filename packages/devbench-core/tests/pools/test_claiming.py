"""What a spawn gets from a pool, and what it never notices of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from devbench_core.bench import Bench
from devbench_core.containers import PolicyRequest, SpawnRequest
from devbench_core.errors import Conflict, EngineFailed, EngineUnreachable, StoreFailed, Vetoed
from devbench_core.hookspecs import hookimpl
from devbench_core.model.caller import Caller
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.container import Status
from devbench_core.model.event import Event, Request, Veto
from devbench_core.model.execution import ExecRequest
from devbench_core.model.policy import Clause
from devbench_core.pools import records
from devbench_core.testing.fake import FakeRuntime
from devbench_core.testing.fake.bench import FakeBench
from harness.pools import pools_of, tended

Pooled = Callable[..., AbstractAsyncContextManager[FakeBench]]
MIB = 1024 * 1024


async def waiting(bench: Bench) -> set[str]:
    return {warm.id async for warm in records.listed(bench.store)}


async def test_a_spawn_gets_one_that_waits_and_the_engine_is_asked_for_nothing(pooled: Pooled):
    async with pooled() as lab:
        ready, calls = await waiting(lab.bench), len(lab.runtime.faults.calls)
        spawned = await lab.bench.containers.spawn(SpawnRequest(alias="web"))
        made = [call.name for call in lab.runtime.faults.calls[calls:] if call.name in {"start", "connect"}]
        assert spawned.container.id in ready
        assert made == []


async def test_it_is_the_callers_own_from_then_on(pooled: Pooled):
    async with pooled() as lab:
        request = SpawnRequest(
            alias="web", env={"COLOUR": "blue"}, labels={"team": "x"}, ttl_s=60.0, persistent=True
        )
        owner = Caller(tenant="acme", subject="ann")
        found = (await lab.bench.containers.spawn(request, caller=owner)).container
        assert (found.tenant, found.created_by, found.status) == ("acme", "ann", Status.RUNNING)
        assert (found.spec.alias, found.spec.env, found.spec.labels) == ("web", request.env, request.labels)
        assert (found.spec.ttl_s, found.spec.persistent, found.spec.image) == (60.0, True, "host")
        page = await lab.bench.containers.list(labels={"team": "x"}, caller=owner)
        assert [each.id for each in page.containers] == [found.id]
        run = await lab.bench.execs.start("web", ExecRequest(argv=("sh", "-c", "echo $COLOUR")), caller=owner)
        await lab.bench.execs.wait(run.id, wait_s=10, caller=owner)
        output = await lab.bench.execs.poll(run.id, caller=owner)
        assert b"".join(chunk.data for chunk in output.chunks) == b"blue\n"
        lab.clock.pass_s(61)
        await lab.bench.containers.sweep()
        assert (await lab.bench.containers.get(found.id, caller=owner)).status is Status.GONE


async def test_its_time_begins_with_the_claim(pooled: Pooled):
    async with pooled() as lab:
        lab.clock.pass_s(1000)
        before = lab.clock.now()
        found = (await lab.bench.containers.spawn(SpawnRequest(ttl_s=500.0))).container
        await lab.bench.containers.sweep()
        assert found.created_at >= before
        assert found.started_at is not None
        assert found.started_at >= found.created_at
        assert (await lab.bench.containers.get(found.id)).ending is None


async def test_what_waits_is_listed_to_nobody_and_can_be_used_by_nobody(pooled: Pooled):
    async with pooled() as lab:
        (some, *_) = await waiting(lab.bench)
        for tenant in ("default", ""):
            page = await lab.bench.containers.list(include_ended=True, caller=Caller(tenant=tenant))
            assert page.containers == ()
        assert (await lab.call("status"))["counts"] == {"containers": 0, "execs_running": 0}
        with pytest.raises(Exception, match="no container"):
            await lab.bench.execs.start(some, ExecRequest(argv=("true",)), caller=Caller(tenant=""))
        await lab.bench.containers.sweep()
        assert set(await lab.left()) == await waiting(lab.bench)


@pytest.mark.parametrize(
    "policy", [PolicyRequest(memory_bytes=64 * MIB), PolicyRequest(pids=17), PolicyRequest(user="1234")]
)
async def test_a_request_for_anything_else_is_made_for_the_asking(
    pooled: Pooled, monkeypatch: pytest.MonkeyPatch, policy: PolicyRequest
):
    everything = Capabilities(enforces=frozenset(Clause), images=False)
    monkeypatch.setattr(FakeRuntime, "capabilities", property(lambda _: everything))
    async with pooled() as lab:
        ready = await waiting(lab.bench)
        assert (await lab.bench.containers.spawn(SpawnRequest(policy=policy))).container.id not in ready
        assert (await lab.bench.containers.spawn(SpawnRequest())).container.id in ready


async def test_of_a_burst_the_first_get_what_waits_and_the_others_their_own(pooled: Pooled):
    async with pooled(floor=4) as lab:
        ready = await waiting(lab.bench)
        lab.runtime.faults.hang("create", after=8)  # no new one is ready before the burst is over
        many = await asyncio.gather(*(lab.bench.containers.spawn(SpawnRequest()) for _ in range(12)))
        lab.runtime.faults.clear()
        ids = {spawned.container.id for spawned in many}
        assert len(ids) == 12
        assert ready <= ids
        state = await tended(lab.bench)
        assert (state.ready, state.hits, state.misses) == (4, 4, 8)


async def test_an_empty_pool_is_filled_again(pooled: Pooled):
    async with pooled(floor=3) as lab:
        for _ in range(3):
            await lab.bench.containers.spawn(SpawnRequest())
        assert (await tended(lab.bench)).ready == 3


async def test_a_dead_one_is_given_to_nobody_and_replaced(pooled: Pooled):
    async with pooled(floor=2) as lab:
        dead = sorted(await waiting(lab.bench))[0]
        async for observed in lab.runtime.local.list(lab.bench.installation):
            if observed.container_id == dead:
                await lab.runtime.local.stop(observed.ref, grace_s=0)
        spawned = [(await lab.bench.containers.spawn(SpawnRequest())).container.id for _ in range(2)]
        assert dead not in spawned
        assert (await tended(lab.bench)).ready == 2
        assert dead not in await lab.left()


async def test_a_spawn_that_is_refused_takes_nothing(pooled: Pooled):
    class Strict:
        @hookimpl
        def devbench_review(self, request: Request) -> Veto | None:
            if request.operation == "container.spawn" and request.caller.subject == "eve":
                return Veto(clause="who", reason="not she")
            return None

    async with pooled(Strict()) as lab:
        await lab.bench.containers.spawn(SpawnRequest(alias="web"))
        await tended(lab.bench)
        ready = await waiting(lab.bench)
        with pytest.raises(Conflict, match="alias"):
            await lab.bench.containers.spawn(SpawnRequest(alias="web"))
        with pytest.raises(Vetoed):
            await lab.bench.containers.spawn(SpawnRequest(), caller=Caller(subject="eve"))
        state = await tended(lab.bench)
        assert (await waiting(lab.bench), state.ready) == (ready, 2)


async def test_a_key_stands_for_the_one_that_was_claimed(pooled: Pooled):
    async with pooled() as lab:
        request = SpawnRequest(idempotency_key="once")
        first, second = [await lab.bench.containers.spawn(request) for _ in range(2)]
        assert first.container.id == second.container.id
        assert (first.replayed, second.replayed) == (False, True)


async def test_spawns_at_once_with_one_key_claim_one(pooled: Pooled):
    async with pooled() as lab:
        request = SpawnRequest(idempotency_key="once")
        many = await asyncio.gather(*(lab.bench.containers.spawn(request) for _ in range(4)))
        assert len({spawned.container.id for spawned in many}) == 1
        assert sum(not spawned.replayed for spawned in many) == 1


async def test_trouble_with_the_pool_is_no_trouble_of_a_spawn(pooled: Pooled):
    async with pooled(floor=1) as lab:
        await lab.bench.containers.spawn(SpawnRequest())
        lab.store.faults.fail("list", StoreFailed("a page is unreadable"), times=1)
        assert (await lab.bench.containers.spawn(SpawnRequest())).container.status is Status.RUNNING


async def test_a_caller_who_goes_away_in_the_middle_leaves_nothing(pooled: Pooled):
    async with pooled(floor=1) as lab:
        stuck = lab.store.faults.hang("apply", when="after")
        spawn = asyncio.create_task(lab.bench.containers.spawn(SpawnRequest(alias="web")))
        await stuck.reached()
        spawn.cancel()
        await asyncio.wait([spawn])
        stuck.release()
        async with asyncio.timeout(10):
            while (await lab.bench.containers.list()).containers:
                await asyncio.sleep(0.01)
        await lab.bench.containers.settle()
        assert (await tended(lab.bench)).ready == 1
        assert set(await lab.left()) == await waiting(lab.bench)


async def test_observers_hear_the_same_of_it_as_of_any_other(pooled: Pooled):
    class Observer:
        def __init__(self) -> None:
            self.heard: list[Event] = []

        @hookimpl
        def devbench_event(self, event: Event) -> None:
            self.heard.append(event)

    observer = Observer()
    async with pooled(observer, floor=1) as lab:
        warm, cold = [await lab.bench.containers.spawn(SpawnRequest()) for _ in range(2)]
        told = [event for event in observer.heard if event.name == "container.spawned"]
        assert [event.container_id for event in told] == [warm.container.id, cold.container.id]
        assert told[0].fields == told[1].fields
        assert [event.caller for event in told] == [told[0].caller] * 2
        assert {event.caller for event in observer.heard if event.name == "pool.filled"} == {None}


async def test_a_short_lived_host_claims_and_makes_none(pooled: Pooled):
    async with pooled(floor=2) as lab:
        ready = await waiting(lab.bench)
        async with lab.host(serving=False, pools=pools_of(2)) as short:
            assert (await short.containers.spawn(SpawnRequest(persistent=True))).container.id in ready
        assert len(await waiting(lab.bench)) == 1


async def test_a_host_without_the_pool_makes_its_own_and_lets_it_be(pooled: Pooled):
    async with pooled(floor=2) as lab, lab.host() as other:
        ready = await waiting(lab.bench)
        assert (await other.containers.spawn(SpawnRequest())).container.id not in ready
        await other.containers.sweep()
        assert await waiting(lab.bench) == ready
        assert ready <= set(await lab.left())


async def test_an_engine_that_is_silent_at_a_fill_fails_no_claim(pooled: Pooled):
    async with pooled(floor=1) as lab:
        lab.runtime.faults.fail("create", EngineUnreachable("gone for a moment"), times=None)
        assert (await lab.bench.containers.spawn(SpawnRequest())).container.status is Status.RUNNING
        state = await tended(lab.bench)
        assert (state.ready, state.failures) == (0, 1)
        assert "gone for a moment" in state.failure


async def test_a_failing_fill_backs_off_and_is_told(pooled: Pooled):
    async with pooled(floor=1, retry_first_s=10.0, retry_max_s=40.0) as lab:
        lab.runtime.faults.fail("create", EngineFailed("no room"), times=None)
        await lab.bench.containers.spawn(SpawnRequest())
        await tended(lab.bench)
        made = lab.runtime.faults.count("create")
        tried: list[int] = []
        for seconds in (9, 2, 19, 2, 39, 2, 39, 2):
            lab.clock.pass_s(seconds)
            await tended(lab.bench)
            tried.append(lab.runtime.faults.count("create") - made)
        assert tried == [0, 1, 1, 2, 2, 3, 3, 4]
        lab.runtime.faults.clear()
        lab.clock.pass_s(41)
        state = await tended(lab.bench)
        assert (state.ready, state.failures) == (1, 0)
