"""How many containers a tenant may have: exactly so many, on all hosts together."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from devbench_core.containers import SpawnRequest
from devbench_core.errors import Conflict, EngineFailed, QuotaExceeded
from devbench_core.model.caller import Caller
from devbench_core.testing.fake import FakeRuntime
from devbench_core.testing.fake.bench import Opener
from harness.pools import pools_of, tended

MOST = 3
LIMITED = {"per_tenant_max": MOST}
LASTING = SpawnRequest(persistent=True)
OTHERS = Caller(subject="eve", tenant="others")


async def test_one_more_than_a_tenant_may_have_is_refused_with_the_setting_and_nothing_is_made(
    opener: Opener, runtime: FakeRuntime
):
    async with opener(containers=LIMITED) as bench:
        made = [(await bench.containers.spawn(LASTING)).container for _ in range(MOST)]
        with pytest.raises(QuotaExceeded) as refused:
            await bench.containers.spawn(SpawnRequest(alias="more"))
        assert refused.value.details == {"limit": MOST, "setting": "containers.per_tenant_max"}
        there = {found.container_id async for found in runtime.list(bench.installation)}
        assert there == {each.id for each in made}
        assert len((await bench.containers.list(include_ended=True)).containers) == MOST
        await bench.containers.spawn(LASTING, caller=OTHERS)
        await bench.containers.kill(made[0].id)
        await bench.containers.spawn(SpawnRequest(alias="more"))


async def test_a_repeat_by_key_counts_once_and_a_spawn_that_failed_does_not_count(
    opener: Opener, runtime: FakeRuntime
):
    async with opener(containers=LIMITED) as bench:
        for _ in range(MOST + 1):
            await bench.containers.spawn(SpawnRequest(idempotency_key="one"))
        runtime.faults.fail("start", EngineFailed("no"), times=1)
        with pytest.raises(EngineFailed):
            await bench.containers.spawn(LASTING)
        with pytest.raises(Conflict):
            await asyncio.gather(*(bench.containers.spawn(SpawnRequest(alias="lab")) for _ in range(2)))
        await bench.containers.spawn(LASTING)
        with pytest.raises(QuotaExceeded):
            await bench.containers.spawn(LASTING)


async def test_spawns_of_several_hosts_at_once_never_exceed_it_and_use_all_of_it(opener: Opener):
    async with AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(opener(containers=LIMITED)) for _ in range(3)]

        async def churn(number: int) -> int:
            host, made = hosts[number % len(hosts)], 0
            for _ in range(8):
                try:
                    spawned = (await host.containers.spawn(LASTING)).container
                except QuotaExceeded:
                    await asyncio.sleep(0)
                    continue
                made += 1
                assert len((await host.containers.list()).containers) <= MOST
                await host.containers.kill(spawned.id)
            return made

        assert sum(await asyncio.gather(*(churn(number) for number in range(9)))) >= MOST
        got = await asyncio.gather(
            *(host.containers.spawn(LASTING) for host in hosts * 3), return_exceptions=True
        )
        refused = [each for each in got if isinstance(each, BaseException)]
        assert {type(each) for each in refused} == {QuotaExceeded}
        assert len(got) - len(refused) == MOST


async def test_containers_from_a_time_without_a_limit_count(opener: Opener):
    async with opener(containers=LIMITED) as bench:
        await bench.containers.spawn(LASTING)
    async with opener() as bench:
        await asyncio.gather(*(bench.containers.spawn(LASTING) for _ in range(MOST)))
    async with opener(containers=LIMITED) as bench:
        for _ in range(3):
            with pytest.raises(QuotaExceeded, match=str(MOST + 1)):
                await bench.containers.spawn(LASTING)


async def test_a_count_that_came_to_no_claim_is_made_again(opener: Opener):
    async with opener() as bench:
        await asyncio.gather(*(bench.containers.spawn(LASTING) for _ in range(MOST - 2)))
        await bench.containers.spawn(SpawnRequest(alias="lab", persistent=True))
    async with opener(containers=LIMITED) as bench:
        with pytest.raises(Conflict):
            await bench.containers.spawn(SpawnRequest(alias="lab"))
        await bench.containers.spawn(LASTING)
        with pytest.raises(QuotaExceeded):
            await bench.containers.spawn(LASTING)


async def test_a_repeat_by_key_of_the_call_that_takes_the_last_place_gets_its_container(opener: Opener):
    request = SpawnRequest(idempotency_key="one", persistent=True)
    async with (
        opener(containers={"per_tenant_max": 1}) as first,
        opener(containers={"per_tenant_max": 1}) as second,
    ):
        hosts = (first, second) * 3
        spawned = await asyncio.gather(*(host.containers.spawn(request) for host in hosts))
        assert len({each.container.id for each in spawned}) == 1
        assert sum(not each.replayed for each in spawned) == 1


async def test_containers_that_wait_in_a_pool_are_nobodys_until_they_are_claimed(opener: Opener):
    async with opener(containers=LIMITED, pools=pools_of(MOST + 2)) as bench:
        assert (await tended(bench)).ready == MOST + 2
        for _ in range(MOST):
            await bench.containers.spawn(LASTING)
        with pytest.raises(QuotaExceeded):
            await bench.containers.spawn(LASTING)
