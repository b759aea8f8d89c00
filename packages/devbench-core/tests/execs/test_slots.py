"""Slots: taken exactly as often as allowed, given to those who wait in order, and always given back."""

import asyncio
import random
from collections import Counter

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbench_core.errors import AgentUnavailable, ConcurrencyLimit, ContainerExited
from devbench_core.execs.settings import ExecLimits
from devbench_core.execs.slots import Slots
from devbench_core.model.container import ContainerEnding, EndReason
from devbench_core.model.execution import ExecRequest
from harness.agent_host import CONTAINER_ID, LocalAgent, descendants, eventually, open_host

LONG_S = 30.0


def slots(per_container: int = 2, per_host: int = 3, queue: int = 100) -> Slots:
    return Slots(
        ExecLimits(
            concurrent_per_container=per_container, concurrent_per_host=per_host, queue_per_container=queue
        )
    )


@given(
    st.integers(1, 4),
    st.integers(1, 6),
    st.lists(st.tuples(st.booleans(), st.sampled_from("ab")), max_size=60),
)
def test_the_count_is_exact_after_any_sequence(limit: int, host: int, steps: list[tuple[bool, str]]) -> None:
    async def scenario() -> None:
        counted, model = slots(limit, host), Counter[str]()
        for take, name in steps:
            if take and (model[name] >= limit or model.total() >= host):
                with pytest.raises(ConcurrencyLimit):
                    await counted.take(name)
            elif take:
                await counted.take(name)
                model[name] += 1
            elif model[name]:
                counted.free(name)
                model[name] -= 1
            assert (counted.taken(name), counted.total()) == (model[name], model.total())

    asyncio.run(scenario())


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_wait_are_served_in_the_order_of_coming():
    counted, served = slots(1), list[int]()

    async def one(number: int) -> None:
        await counted.take("a", LONG_S)
        served.append(number)

    await counted.take("a")
    tasks = [asyncio.create_task(one(number)) for number in range(3)]
    await settled()
    for wanted in ([0], [0, 1], [0, 1, 2]):
        counted.free("a")
        await settled()
        assert served == wanted
    await asyncio.gather(*tasks)
    counted.free("a")
    assert counted.total() == 0


async def test_one_whose_container_is_full_does_not_hold_up_another():
    counted = slots(1, 2)
    await counted.take("a")
    await counted.take("b")
    first = asyncio.create_task(counted.take("a", LONG_S))
    second = asyncio.create_task(counted.take("c", LONG_S))
    await settled()
    counted.free("b")
    await asyncio.wait_for(second, 5)
    assert not first.done()
    counted.free("a")
    await asyncio.wait_for(first, 5)


async def test_nobody_overtakes_those_who_wait_for_the_same_container():
    counted = slots(1)
    await counted.take("a")
    waiting = asyncio.create_task(counted.take("a", LONG_S))
    await settled()
    counted.free("a")
    with pytest.raises(ConcurrencyLimit):
        await counted.take("a")
    await asyncio.wait_for(waiting, 5)


async def test_a_wait_that_is_over_and_a_queue_that_is_full_say_which_limit_it_was():
    counted = slots(1, queue=1)
    await counted.take("a")
    with pytest.raises(ConcurrencyLimit) as late:
        await counted.take("a", 0.01)
    assert late.value.details["setting"] == "execs.concurrent_per_container"
    waiting = asyncio.create_task(counted.take("a", LONG_S))
    await settled()
    with pytest.raises(ConcurrencyLimit) as full:
        await counted.take("a", LONG_S)
    assert full.value.details["setting"] == "execs.queue_per_container"
    counted.dismiss("a", ContainerExited("it ended"))
    with pytest.raises(ContainerExited):
        await waiting
    assert counted.total() == 1


async def test_one_that_gives_up_in_the_moment_a_slot_is_freed_holds_nobody_up():
    counted = slots(1)
    await counted.take("a")
    first = asyncio.create_task(counted.take("a", LONG_S))
    await settled()
    first.cancel()
    counted.free("a")
    second = asyncio.create_task(counted.take("a", LONG_S))
    await asyncio.wait_for(second, 5)
    with pytest.raises(asyncio.CancelledError):
        await first
    assert counted.total() == 1


async def test_a_host_that_closes_lets_nobody_in():
    counted = slots(1)
    await counted.take("a")
    waiting = asyncio.create_task(counted.take("a", LONG_S))
    await settled()
    counted.close()
    counted.free("a")
    for late in (waiting, counted.take("a")):
        with pytest.raises(AgentUnavailable):
            await late
    assert counted.total() == 0


async def test_no_slot_is_lost_however_waits_end():
    counted, chance, most = slots(2, 3), random.Random(7), 0  # noqa: S311 - which of the ways is taken

    async def one(name: str) -> None:
        nonlocal most
        await counted.take(name, chance.choice([0, 0.001, 0.01, LONG_S]))
        try:
            most = max(most, counted.total())
            await asyncio.sleep(chance.choice([0, 0.001]))
        finally:
            counted.free(name)

    tasks = [asyncio.create_task(one(chance.choice("abc"))) for _ in range(300)]
    for task in tasks:
        if chance.random() < 0.3:
            await asyncio.sleep(0)
            task.cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), LONG_S)
    assert (counted.total(), most) == (0, 3)


async def test_two_hundred_commands_at_once_run_four_by_four_and_all_end(local_agent: LocalAgent):
    limits = ExecLimits(queue_per_container=200)
    async with open_host(local_agent.connect, local_agent.token, exec_limits=limits) as host:
        most = 0

        async def one(number: int) -> int | None:
            nonlocal most
            request = ExecRequest(argv=("sh", "-c", f"exit {number}"), queue_s=100)
            started = await host.execs.start(CONTAINER_ID, request)
            most = max(most, host.execs.running_here)
            ended = await host.execs.wait(started.id, wait_s=60)
            return None if ended.ending is None else ended.ending.exit_code

        codes = await asyncio.gather(*(one(number) for number in range(200)))
        assert codes == list(range(200))
        assert most == limits.concurrent_per_container
        assert host.execs.running_here == 0


async def test_a_container_that_ends_lets_nobody_wait_for_it(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token) as host:
        busy = [await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "300"))) for _ in range(4)]
        assert len(busy) == 4
        waiting = asyncio.create_task(
            host.execs.start(CONTAINER_ID, ExecRequest(argv=("touch", "never"), queue_s=100))
        )
        await settled()
        ending = ContainerEnding(reason=EndReason.KILLED, at=host.container.created_at, by="test")
        await host.execs.end_all(attrs.evolve(host.container, ending=ending), ending)
        with pytest.raises(ContainerExited):
            await waiting
        assert host.execs.running_here == 0
    local_agent.kill()
    await eventually(lambda: descendants(local_agent.process.pid) == [])
    assert not (local_agent.workspace / "never").exists()
