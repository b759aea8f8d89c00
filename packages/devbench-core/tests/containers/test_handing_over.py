"""Hosts that stop together leave nothing to each other."""

from __future__ import annotations

from contextlib import AsyncExitStack

import attrs

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.containers.instances import KIND
from devbench_core.contracts.store import Put
from devbench_core.model.container import ContainerEnding, EndReason
from devbench_core.testing.fake.bench import Opener

HAND_OVER = {"hand_over": True}


async def spawned(bench: devbench_core.Bench, *, persistent: bool = False) -> str:
    return (await bench.containers.spawn(SpawnRequest(persistent=persistent))).container.id


async def ending_of(opener: Opener, container: str) -> ContainerEnding | None:
    """Return what the store says, without being a host."""
    async with opener(serving=False, passive=True) as bench:
        return (await bench.containers.get(container)).ending


def is_killed(ending: ContainerEnding | None) -> bool:
    return ending is not None and ending.reason is EndReason.KILLED


async def test_a_host_that_stops_is_no_heir(opener: Opener):
    async with opener(lifetimes=HAND_OVER) as stopping:
        async with opener(lifetimes=HAND_OVER) as first:
            container, kept = await spawned(first), await spawned(first, persistent=True)
            await stopping.containers.stopping()
        assert is_killed(await ending_of(opener, container))
        assert await ending_of(opener, kept) is None


async def test_a_host_that_still_stays_is_one(opener: Opener):
    async with opener(lifetimes=HAND_OVER):
        async with opener(lifetimes=HAND_OVER) as first:
            container = await spawned(first)
        assert await ending_of(opener, container) is None


async def test_a_host_of_another_runtime_is_none_since_it_can_neither_adopt_nor_end_what_is_left(
    opener: Opener,
):
    async with opener(lifetimes=HAND_OVER) as other:
        async with opener(lifetimes=HAND_OVER) as first:
            container = await spawned(first)
            record = await first.store.get(KIND, other.instance)
            assert record is not None
            assert record.data["runtime"] == "fake"
            await first.store.apply(
                Put(kind=KIND, key=record.key, data={**record.data, "runtime": "another"})
            )
        assert is_killed(await ending_of(opener, container))


async def test_the_last_of_those_that_stop_ends_what_was_left_to_it_a_moment_before(opener: Opener):
    async with AsyncExitStack() as stack:
        last = await stack.enter_async_context(opener(lifetimes=HAND_OVER))
        async with opener(lifetimes=HAND_OVER) as first:
            container, kept = await spawned(first), await spawned(first, persistent=True)
        assert (await last.containers.get(container)).instance == first.instance  # not adopted yet
    assert is_killed(await ending_of(opener, container))
    assert await ending_of(opener, kept) is None


async def test_what_a_program_that_lives_has_made_is_not_ended_by_the_last_host(opener: Opener):
    async with opener(serving=False) as program:
        async with opener(lifetimes=HAND_OVER):
            container = await spawned(program)
        assert await ending_of(opener, container) is None


async def test_what_another_engine_runs_is_not_ended_by_the_last_host_of_this_one(opener: Opener):
    async with opener(lifetimes=HAND_OVER) as last:
        async with opener(lifetimes=HAND_OVER) as first:
            container = await spawned(first)
        repository = last.containers.repository
        there = await last.containers.get(container)
        await repository.save(attrs.evolve(there, runtime="another"))
    assert await ending_of(opener, container) is None
