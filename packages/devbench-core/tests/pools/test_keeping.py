"""How full a pool is, when what waits in it is replaced, and that nothing of it is left behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import attrs
import pytest

from devbench_core.bench import Bench
from devbench_core.containers import SpawnRequest
from devbench_core.contracts.store import Put, Remove
from devbench_core.errors import ConfigurationInvalid, EngineUnreachable, ImageNotFound
from devbench_core.hookspecs import hookimpl
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.event import Event
from devbench_core.model.image import Image
from devbench_core.model.policy import Clause
from devbench_core.pools import records, template
from devbench_core.pools.records import State, Warm
from devbench_core.testing.fake import FakeRuntime
from devbench_core.testing.fake.bench import FakeBench, fake_bench
from harness.pools import pools_of, tended

Pooled = Callable[..., AbstractAsyncContextManager[FakeBench]]


class Observer:
    """Counts why warm containers were removed."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    @hookimpl
    def devbench_event(self, event: Event) -> None:
        if event.name == "pool.removed":
            self.reasons[str(event.fields["reason"])] += 1


async def waiting(bench: Bench) -> set[str]:
    return {warm.id async for warm in records.listed(bench.store)}


async def all_of(bench: Bench) -> AsyncIterator[Warm]:
    async for warm in records.listed(bench.store):
        yield warm


async def die(bench: Bench) -> None:
    """Let a host be one that others find dead, and that does nothing more itself."""
    bench.pools._work.stop()  # pyright: ignore[reportPrivateUsage] - nobody else can stop a host in the middle
    await bench.store.apply(Remove(kind="instance", key=bench.instance))


async def test_it_grows_with_what_is_asked_for_up_to_the_ceiling_and_shrinks_again(pooled: Pooled):
    observer = Observer()
    async with pooled(observer, floor=1, ceiling=4, demand_window_s=60.0) as lab:
        for asked in range(1, 7):
            await lab.bench.containers.spawn(SpawnRequest())
            state = await tended(lab.bench)
            assert (state.wanted, state.ready) == (min(asked, 4), min(asked, 4))
        lab.clock.pass_s(61)
        state = await tended(lab.bench)
        assert (state.wanted, state.ready) == (1, 1)
        assert observer.reasons == {"surplus": 3}
        assert len(await lab.left()) == 6 + 1


async def test_a_floor_of_zero_waits_for_the_first_who_asks(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(0, 2)) as lab:
        assert (await tended(lab.bench)).ready == 0
        await lab.bench.containers.spawn(SpawnRequest())
        assert (await tended(lab.bench)).ready == 1


async def test_no_more_are_made_at_once_than_is_allowed(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(5, parallel=2)) as lab:
        stuck = lab.runtime.faults.hang("start", times=None)
        await lab.bench.pools.tend()
        await stuck.reached()
        for _ in range(3):
            await lab.bench.pools.tend()
            (state,) = await lab.bench.pools.states()
            assert state.making <= 2
        lab.runtime.faults.clear()
        assert (await tended(lab.bench)).ready == 5


async def test_one_that_waited_too_long_is_replaced(pooled: Pooled):
    observer = Observer()
    async with pooled(observer, floor=2, max_age_s=100.0) as lab:
        old = await waiting(lab.bench)
        lab.clock.pass_s(99)
        assert (await tended(lab.bench)).ready == 2
        assert await waiting(lab.bench) == old
        lab.clock.pass_s(2)
        assert (await tended(lab.bench)).ready == 2
        assert not old & await waiting(lab.bench)
        assert observer.reasons == {"too_old": 2}


async def test_when_the_image_means_another_one_what_waits_is_given_to_nobody_and_replaced(
    pooled: Pooled, monkeypatch: pytest.MonkeyPatch
):
    observer = Observer()
    async with pooled(observer, floor=2) as lab:
        old, resolve = await waiting(lab.bench), lab.runtime.resolve_image

        async def moved(name: str) -> Image:
            return attrs.evolve(await resolve(name), id="sha256:moved")

        monkeypatch.setattr(lab.runtime, "resolve_image", moved)
        lab.bench.images.forget("")
        assert (await lab.bench.containers.spawn(SpawnRequest())).container.id not in old
        lab.clock.pass_s(601)
        assert (await tended(lab.bench)).ready == 2
        assert not old & await waiting(lab.bench)
        assert observer.reasons == {"image_moved": 2}


@pytest.mark.parametrize("later", [{}, {"warm": {"other": {"floor": 1}}}])
async def test_what_a_dead_host_left_of_a_pool_that_is_gone_is_removed(
    tmp_path: Path, later: dict[str, object]
):
    observer = Observer()
    async with fake_bench(tmp_path, observer, pools=pools_of(2)) as lab:
        await tended(lab.bench)
        old = await waiting(lab.bench)
        await die(lab.bench)
        async with lab.host(pools={"check_interval_s": 0.05, **later}) as heir:
            async with asyncio.timeout(20):
                while old & await waiting(heir):
                    await asyncio.sleep(0.02)
            await heir.pools.settle()
            assert observer.reasons == {"unconfigured": 2}
            assert set(await lab.left()) == await waiting(heir)


async def test_the_next_host_goes_on_with_what_a_dead_one_left(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(3)) as lab:
        await tended(lab.bench)
        old = await waiting(lab.bench)
        await die(lab.bench)
        async with lab.host(pools=pools_of(3)) as heir:
            assert (await tended(heir)).ready == 3
            assert await waiting(heir) == old
            assert {warm.instance async for warm in all_of(heir)} == {heir.instance}
            assert (await heir.containers.spawn(SpawnRequest())).container.id in old


async def test_what_is_changed_in_the_policy_replaces_what_a_dead_host_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    everything = Capabilities(enforces=frozenset(Clause), images=False)
    monkeypatch.setattr(FakeRuntime, "capabilities", property(lambda _: everything))
    observer = Observer()
    async with fake_bench(tmp_path, observer, pools=pools_of(2)) as lab:
        await tended(lab.bench)
        old = await waiting(lab.bench)
        await die(lab.bench)
        async with lab.host(policy={"pids": 99}, pools=pools_of(2)) as heir:
            assert (await tended(heir)).ready == 2
            assert not old & await waiting(heir)
            assert observer.reasons == {"policy_changed": 2}


def newer(distribution: str) -> str:
    return f"{distribution} 99.0"


async def test_what_another_version_made_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    observer = Observer()
    async with fake_bench(tmp_path, observer, pools=pools_of(2)) as lab:
        await tended(lab.bench)
        await die(lab.bench)
        monkeypatch.setattr(template, "version", newer)
        async with lab.host(pools=pools_of(2)) as heir:
            assert (await tended(heir)).ready == 2
            assert observer.reasons == {"other_maker": 2}


async def test_hosts_of_two_versions_do_not_make_and_remove_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    observer = Observer()
    async with fake_bench(tmp_path, observer, pools=pools_of(2, 6)) as lab:
        await tended(lab.bench)
        monkeypatch.setattr(template, "version", newer)
        async with lab.host(pools=pools_of(2, 6)) as other:
            for _ in range(3):
                assert (await tended(other)).ready == 4
            assert observer.reasons["surplus"] == 0
            assert len(await waiting(lab.bench)) == 4


async def test_what_a_dump_says_of_one_that_waited_gives_it_to_nobody(pooled: Pooled):
    async with pooled(floor=1) as lab:
        await tended(lab.bench)
        (record,) = (await lab.bench.store.list(records.KIND)).records
        left = records.not_warm_any_more(record)
        await lab.bench.store.apply(Put(kind=left.kind, key=left.key, data=left.data, terms=left.terms))
        (found,) = [warm async for warm in all_of(lab.bench)]
        assert found.state is State.LEAVING
        assert await records.ready(lab.bench.store, found.runtime, found.fingerprint) == []
        assert records.not_warm_any_more("an item of another sort") == "an item of another sort"


async def test_a_half_made_one_of_a_dead_host_is_removed(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(1)) as lab:
        stuck = lab.runtime.faults.hang("start", times=1)
        await lab.bench.pools.tend()
        await stuck.reached()
        half = await waiting(lab.bench)
        await die(lab.bench)
        async with lab.host(pools=pools_of(1)) as heir:
            assert (await tended(heir)).ready == 1
            assert not half & await waiting(heir)
            assert set(await lab.left()) == await waiting(heir)


async def test_a_host_that_ends_removes_what_waits(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(2)) as lab:
        await tended(lab.bench)
        async with lab.host(pools=pools_of(3)) as second:
            assert (await tended(second)).ready == 3
            own = {warm.id async for warm in all_of(second) if warm.instance == second.instance}
            assert len(own) == 1
        assert not own & set(await lab.left())
        assert (await lab.bench.store.list("pool_host")).records[0].data["instance"] == lab.bench.instance


async def test_nothing_is_left_when_the_engine_was_silent_at_the_end(tmp_path: Path):
    async with fake_bench(tmp_path) as lab:
        async with lab.host(pools=pools_of(2)) as gone:
            await tended(gone)
            lab.runtime.fall_silent()
        lab.runtime.answer_again()
        assert len(await lab.left()) == 2
        async with lab.host() as heir:
            await heir.pools.tend()
            await heir.pools.settle()
        assert await lab.left() == []
        assert (await lab.bench.store.list(records.KIND)).records == ()
        assert (await lab.bench.store.list("container_token")).records == ()


async def test_a_removal_that_fails_is_tried_again(pooled: Pooled):
    async with pooled(floor=1, ceiling=2, max_age_s=100.0) as lab:
        (old,) = await waiting(lab.bench)
        lab.runtime.faults.fail("remove", EngineUnreachable("later"))
        lab.clock.pass_s(101)
        state = await tended(lab.bench)
        await tended(lab.bench)
        assert state.ready == 1
        assert old not in await waiting(lab.bench)
        assert set(await lab.left()) == await waiting(lab.bench)


async def test_several_hosts_share_a_pool_and_never_go_beyond_its_ceiling(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(3, 5)) as lab, AsyncExitStack() as stack:
        hosts = [lab.bench, *[await stack.enter_async_context(lab.host(pools=pools_of(3, 5))) for _ in "ab"]]
        most = 0
        for _ in range(2):
            await asyncio.gather(*(host.pools.tend() for host in hosts))
            spawned = await asyncio.gather(
                *(host.containers.spawn(SpawnRequest()) for host in hosts for _ in range(2))
            )
            assert len({each.container.id for each in spawned}) == len(spawned)
            await asyncio.gather(*(host.pools.settle() for host in hosts))
            most = max(most, len(await waiting(lab.bench)))
        assert 3 <= most <= 5
        living = [each.id for each in (await lab.bench.containers.list()).containers]
        assert len(living) == 12
        assert sorted([*living, *await waiting(lab.bench)]) == sorted(await lab.left())


async def test_an_image_that_is_not_there_is_told_and_fails_no_spawn(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(2, template={"image": "nowhere"})) as lab:
        state = await tended(lab.bench)
        assert (state.ready, state.failures) == (0, 1)
        assert "nowhere" in state.failure
        await lab.bench.containers.spawn(SpawnRequest())
        with pytest.raises(ImageNotFound):
            await lab.bench.containers.spawn(SpawnRequest(image="nowhere"))


async def test_a_runtime_that_breaks_its_contract_ends_no_host(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(1)) as lab:
        lab.runtime.faults.fail("create", ValueError("a fault of the plugin"), times=1)
        state = await tended(lab.bench)
        assert (state.ready, state.failure) == (0, "ValueError: a fault of the plugin")
        lab.clock.pass_s(2)
        assert (await tended(lab.bench)).ready == 1


async def test_records_say_what_is_there_while_it_is_made_and_removed(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(1)) as lab:
        stuck = lab.runtime.faults.hang("create", times=1, when="after")
        await lab.bench.pools.tend()
        await stuck.reached()
        assert [warm.state async for warm in all_of(lab.bench)] == [State.MAKING]
        await lab.bench.containers.sweep()
        assert set(await lab.left()) == await waiting(lab.bench)
        stuck.release()
        await lab.bench.pools.settle()
        assert [warm.state async for warm in all_of(lab.bench)] == [State.READY]


@pytest.mark.parametrize(
    ("pools", "said"),
    [
        ({"warm": {"lab": {"floor": 3, "ceiling": 2}}}, "ceiling"),
        ({"warm": {"Lab!": {}}}, "Lab!"),
        ({"parallel": 0}, "parallel"),
        ({"warm": {"lab": {"policy": {"pid": 3}}}}, "pid"),
    ],
)
async def test_settings_that_make_no_sense_are_refused(tmp_path: Path, pools: dict[str, object], said: str):
    with pytest.raises(ConfigurationInvalid, match=said):
        async with fake_bench(tmp_path, pools=pools):
            pass


async def test_without_any_pool_nothing_is_looked_for(tmp_path: Path):
    async with fake_bench(tmp_path) as lab:
        await lab.bench.containers.spawn(SpawnRequest())
        assert await lab.bench.pools.states() == ()
        assert (await lab.bench.store.list(records.KIND)).records == ()


async def test_what_another_host_got_and_removed_leaves_no_link_behind(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(1)) as lab:
        await tended(lab.bench)
        links = lab.bench.pools._context.links._links  # pyright: ignore[reportPrivateUsage] - nothing else shows a leak
        (got,) = await waiting(lab.bench)
        async with lab.host(serving=False, pools=pools_of(1)) as short:
            spawned = (await short.containers.spawn(SpawnRequest(persistent=True))).container
            assert spawned.id == got
            await tended(lab.bench)
            assert got in links  # whoever uses it here as well has it at hand
            await short.containers.kill(got)
        async with asyncio.timeout(10):
            while got in links:
                await lab.bench.pools.tend()
        assert set(links) == await waiting(lab.bench)


async def test_a_host_that_was_only_silent_shares_what_the_others_took_over(tmp_path: Path):
    async with fake_bench(tmp_path, pools=pools_of(2)) as lab, lab.host(pools=pools_of(2)) as second:
        await tended(lab.bench)
        await lab.bench.store.apply(Remove(kind="instance", key=lab.bench.instance))
        await tended(second)
        assert {warm.instance async for warm in all_of(second)} == {second.instance}
        ready = await waiting(second)
        hosts = (lab.bench, second)
        spawned = await asyncio.gather(*(host.containers.spawn(SpawnRequest()) for host in hosts))
        assert {each.container.id for each in spawned} == ready
        await lab.bench.containers.beat()
        await tended(lab.bench)
        assert (await tended(second)).ready == 2
        living = {container.id for container in (await second.containers.list()).containers}
        assert living | await waiting(second) == set(await lab.left())


async def test_a_host_that_knows_one_which_is_gone_does_not_take_the_next_in_its_slot_for_it(pooled: Pooled):
    async with pooled(floor=1) as lab, lab.host(pools=pools_of(1)) as second:
        (known,) = [warm async for warm in all_of(lab.bench)]
        lab.bench.pools._work.stop()  # pyright: ignore[reportPrivateUsage] - a host that is stopped in the middle
        await second.pools._making.remove(known, "dead")  # pyright: ignore[reportPrivateUsage] - as at its succession
        assert (await tended(second)).ready == 1
        (next_one,) = [warm async for warm in all_of(second)]
        assert (next_one.slot_key, next_one.revision) == (known.slot_key, known.revision)
        lab.bench.pools._claims.add(known)  # pyright: ignore[reportPrivateUsage] - it heard of nothing
        spawned = await lab.bench.containers.spawn(SpawnRequest())
        assert spawned.container.id == next_one.id
        assert await lab.bench.pools._claims.withdraw(known, "dead") is None  # pyright: ignore[reportPrivateUsage]
        await tended(second)
        assert {spawned.container.id} | await waiting(second) == set(await lab.left())


async def test_a_host_that_hands_over_leaves_what_waits(tmp_path: Path):
    async with fake_bench(tmp_path, pools={"check_interval_s": 600.0}) as lab:
        async with lab.host(pools=pools_of(3), lifetimes={"hand_over": True}) as gone:
            assert (await tended(gone)).ready == 3
            ready = await waiting(gone)
        assert await waiting(lab.bench) == ready
        async with lab.host(pools=pools_of(3)) as heir:
            assert (await tended(heir)).ready == 3
            assert await waiting(heir) == ready
            assert {warm.instance async for warm in all_of(heir)} == {heir.instance}


async def test_what_one_host_needs_is_too_much_for_no_other(tmp_path: Path):
    pools = pools_of(1, 4, demand_window_s=60.0)
    observer = Observer()
    async with fake_bench(tmp_path, observer, pools=pools) as lab, lab.host(pools=pools) as busy:
        assert (await tended(lab.bench)).ready == 1
        for _ in range(4):
            await busy.containers.spawn(SpawnRequest())
            await tended(busy)
        await tended(lab.bench)
        assert (await tended(busy)).ready == 4
        lab.clock.pass_s(61)
        await tended(busy)
        await tended(lab.bench)
        assert (await tended(busy)).ready == 1
        assert observer.reasons == {"surplus": 3}


async def test_a_host_without_pools_removes_what_a_dead_one_left_while_it_runs(tmp_path: Path):
    async with fake_bench(tmp_path, pools={"check_interval_s": 0.05}) as lab:
        async with lab.host(pools=pools_of(2)) as gone:
            assert (await tended(gone)).ready == 2
            await die(gone)
            async with asyncio.timeout(20):
                while await waiting(lab.bench) or await lab.left():
                    await asyncio.sleep(0.02)
        assert (await lab.bench.store.list(records.SLOT_KIND)).records == ()
