"""A container that commands of several hosts fill: the agent counts them all, and what it refuses was never begun."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import PurePosixPath

import attrs
import pytest

from devbench_core.channel.link import AgentLink
from devbench_core.errors import AgentUnavailable, ConcurrencyLimit
from devbench_core.execs import records
from devbench_core.execs.settings import ExecLimits
from devbench_core.memory.store import MemoryStore
from devbench_core.model.execution import Exec, ExecReason, ExecRequest
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, eventually, open_host, serving

LIMIT = 2
LIMITS = ExecLimits(concurrent_per_container=LIMIT, slot_look_s=0.02)
LONG_S = 60.0
SLEEPS = ExecRequest(argv=("sleep", "300"))
TOUCHES = ExecRequest(argv=("sh", "-c", "echo once >> touched"))


class Looks:
    """How often hosts asked an agent whether there is room; the first ``lies`` are told that there is."""

    def __init__(self, patches: pytest.MonkeyPatch) -> None:
        self.count, self.lies, real = 0, 0, AgentLink.has_room

        async def has_room(link: AgentLink) -> bool:
            self.count += 1
            return self.count <= self.lies or await real(link)

        patches.setattr(AgentLink, "has_room", has_room)

    def is_waited(self) -> bool:
        """Tell whether a command without a key was refused and waits; its slot was taken before it was sent."""
        return self.count > 0


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


@asynccontextmanager
async def two(local_agent: LocalAgent) -> AsyncGenerator[tuple[Host, Host]]:
    """Two hosts on one container and one store."""
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store, exec_limits=LIMITS) as first,
        open_host(
            local_agent.connect, local_agent.token, store=store, instance="i_second", exec_limits=LIMITS
        ) as second,
        serving(first),
    ):
        yield first, second


async def full(host: Host) -> list[Exec]:
    return [await host.execs.start(CONTAINER_ID, SLEEPS) for _ in range(LIMIT)]


async def test_one_more_than_may_run_is_refused_whichever_host_is_asked_and_leaves_no_trace(
    local_agent: LocalAgent,
):
    async with two(local_agent) as (first, second):
        running = await full(first)
        with pytest.raises(ConcurrencyLimit) as refused:
            await second.execs.start(CONTAINER_ID, TOUCHES)
        assert refused.value.details == {"limit": LIMIT, "setting": "execs.concurrent_per_container"}
        assert second.execs.running_here == 0
        found = await first.store.list(records.KIND)
        assert {record.key for record in found.records} == {each.id for each in running}
        await first.execs.cancel(running[0].id)
        started = await second.execs.start(CONTAINER_ID, TOUCHES)
        await second.execs.wait(started.id, wait_s=LONG_S)
        assert (local_agent.workspace / "touched").read_text() == "once\n"


async def test_one_that_may_wait_runs_when_a_command_of_another_host_ends(local_agent: LocalAgent):
    async with two(local_agent) as (first, second):
        running = await full(first)
        waiting = asyncio.create_task(
            second.execs.start(CONTAINER_ID, ExecRequest(argv=("true",), queue_s=LONG_S))
        )
        await eventually(lambda: second.execs.running_here == 1)
        await first.execs.cancel(running[0].id)
        started = await waiting
        ended = await second.execs.wait(started.id, wait_s=LONG_S)
        assert ended.ending is not None
        assert ended.ending.exit_code == 0
        assert second.execs.running_here == 0


async def test_a_wait_that_was_too_short_or_given_up_gives_its_slot_back(
    local_agent: LocalAgent, looks: Looks
):
    async with two(local_agent) as (first, second):
        await full(first)
        with pytest.raises(ConcurrencyLimit):
            await second.execs.start(CONTAINER_ID, ExecRequest(argv=("true",), queue_s=0.1))
        assert second.execs.running_here == 0
        looks.count = 0
        waiting = asyncio.create_task(
            second.execs.start(CONTAINER_ID, ExecRequest(argv=("true",), queue_s=LONG_S))
        )
        await eventually(looks.is_waited)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert second.execs.running_here == 0


async def test_a_host_that_closes_lets_nobody_wait_for_other_hosts(local_agent: LocalAgent, looks: Looks):
    async with two(local_agent) as (first, second):
        await full(first)
        waiting = asyncio.create_task(
            second.execs.start(CONTAINER_ID, ExecRequest(argv=("true",), queue_s=LONG_S))
        )
        await eventually(looks.is_waited)
        await second.execs.aclose()
        with pytest.raises(AgentUnavailable):
            await waiting


async def test_a_key_that_found_no_room_is_free(local_agent: LocalAgent):
    async with two(local_agent) as (first, second):
        running = await full(first)
        with pytest.raises(ConcurrencyLimit):
            await second.execs.start(CONTAINER_ID, TOUCHES, idempotency_key="one")
        assert len((await first.store.list(records.KIND)).records) == LIMIT
        await first.execs.cancel(running[0].id)
        started = await second.execs.start(CONTAINER_ID, TOUCHES, idempotency_key="one")
        again = await first.execs.start(CONTAINER_ID, TOUCHES, idempotency_key="one")
        assert (again.id, again.replayed) == (started.id, True)


@pytest.mark.parametrize("queue_s", [0, LONG_S])
async def test_a_key_whose_room_was_taken_before_it_was_sent_runs_once_and_the_ending_says_why(
    local_agent: LocalAgent, looks: Looks, queue_s: float
):
    looks.lies = 1
    async with two(local_agent) as (first, second):
        running = await full(first)
        request = ExecRequest(argv=TOUCHES.argv, queue_s=queue_s)
        starting = asyncio.create_task(second.execs.start(CONTAINER_ID, request, idempotency_key="one"))
        if queue_s:
            await eventually(lambda: looks.count > 2)
        else:
            with pytest.raises(ConcurrencyLimit):
                await starting
        assert second.execs.running_here == (1 if queue_s else 0)
        found = [records.read(record) for record in (await first.store.list(records.KIND)).records]
        (refused,) = [each.ending for each in found if each.id not in {one.id for one in running}]
        assert refused is not None
        assert refused.reason is ExecReason.FAILED_TO_START
        assert refused.failure == "no_resources"
        await first.execs.cancel(running[0].id)
        if not queue_s:
            starting = asyncio.create_task(first.execs.start(CONTAINER_ID, request, idempotency_key="one"))
        started = await starting
        await first.execs.wait(started.id, wait_s=LONG_S)
        assert not started.replayed
        assert (local_agent.workspace / "touched").read_text() == "once\n"


async def test_who_waits_for_other_hosts_is_overtaken_by_nobody_of_its_own_and_served_in_the_order_of_coming(
    local_agent: LocalAgent, looks: Looks
):
    async with two(local_agent) as (first, second):
        running, served = await full(first), list[int]()

        async def waits(number: int) -> None:
            await second.execs.start(CONTAINER_ID, attrs.evolve(SLEEPS, queue_s=LONG_S))
            served.append(number)

        waiting = [asyncio.create_task(waits(0))]
        await eventually(lambda: looks.count > 0)
        waiting += [asyncio.create_task(waits(number)) for number in (1, 2)]
        for _ in range(20):
            with pytest.raises(ConcurrencyLimit):
                await second.execs.start(CONTAINER_ID, TOUCHES)
        for number, ends in enumerate(running):
            await first.execs.cancel(ends.id)
            with pytest.raises(ConcurrencyLimit):
                await second.execs.start(CONTAINER_ID, TOUCHES)
            await asyncio.wait_for(waiting[number], LONG_S)
        assert served == [0, 1]
        waiting[2].cancel()
        await asyncio.wait([waiting[2]])
        assert second.execs.running_here == LIMIT


async def test_a_keyed_start_that_found_no_room_after_all_ends_with_its_last_caller(
    local_agent: LocalAgent, looks: Looks
):
    looks.lies = 1
    async with two(local_agent) as (first, second):
        running = await full(first)
        request = attrs.evolve(TOUCHES, queue_s=LONG_S)
        starting = asyncio.create_task(second.execs.start(CONTAINER_ID, request, idempotency_key="one"))
        await eventually(lambda: looks.count > 2)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await eventually(lambda: second.execs.running_here == 0)
        await first.execs.cancel(running[0].id)
        await second.execs.start(CONTAINER_ID, SLEEPS)
        assert not (local_agent.workspace / "touched").exists()


async def test_an_agent_that_says_there_is_room_and_takes_nothing_is_asked_at_the_pace_of_the_setting(
    local_agent: LocalAgent, looks: Looks
):
    looks.lies = 1000
    async with two(local_agent) as (first, second):
        await full(first)
        for key in (None, "one"):
            looks.count = 0
            request = attrs.evolve(TOUCHES, queue_s=10 * LIMITS.slot_look_s)
            with pytest.raises(ConcurrencyLimit):
                await second.execs.start(CONTAINER_ID, request, idempotency_key=key)
            assert looks.count <= 12
        assert second.execs.running_here == 0


async def test_a_directory_is_made_for_a_command_that_has_room_only(local_agent: LocalAgent):
    async with two(local_agent) as (first, second):
        running = await full(first)
        request = attrs.evolve(TOUCHES, cwd=PurePosixPath("made"), create_cwd=True)
        with pytest.raises(ConcurrencyLimit):
            await second.execs.start(CONTAINER_ID, request)
        assert not (local_agent.workspace / "made").exists()
        await first.execs.cancel(running[0].id)
        started = await second.execs.start(CONTAINER_ID, request)
        await second.execs.wait(started.id, wait_s=LONG_S)
        assert (local_agent.workspace / "made" / "touched").exists()


async def test_one_that_waits_goes_on_waiting_when_its_channel_is_cut(local_agent: LocalAgent):
    async with two(local_agent) as (first, second):
        running = await full(first)
        waiting = asyncio.create_task(second.execs.start(CONTAINER_ID, attrs.evolve(TOUCHES, queue_s=LONG_S)))
        await eventually(lambda: second.execs.running_here == 1)
        for _ in range(10):
            (await second.link.channel()).close()
            await asyncio.sleep(LIMITS.slot_look_s / 2)
        await first.execs.cancel(running[0].id)
        ended = await second.execs.wait((await waiting).id, wait_s=LONG_S)
        assert ended.ending is not None
        assert ended.ending.exit_code == 0


async def test_a_caller_that_goes_in_the_moment_of_the_refusal_costs_no_slot(local_agent: LocalAgent):
    async with two(local_agent) as (first, second):
        await full(first)
        for steps in range(40):
            starting = asyncio.create_task(
                second.execs.start(CONTAINER_ID, TOUCHES, outlives_caller=bool(steps % 2))
            )
            for _ in range(steps):
                await asyncio.sleep(0)
            starting.cancel()
            with pytest.raises((asyncio.CancelledError, ConcurrencyLimit)):
                await starting
        await eventually(lambda: second.execs.running_here == 0)
        assert not (local_agent.workspace / "touched").exists()


async def test_many_starts_of_three_hosts_never_run_more_than_the_limit(local_agent: LocalAgent):
    script = """
exec 8>>lock-1 9>>lock-2
flock -n 8 || flock -n 9 || echo beyond
sleep 0.01 8>&- 9>&-
"""
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store, exec_limits=LIMITS) as first,
        open_host(
            local_agent.connect, local_agent.token, store=store, instance="i_second", exec_limits=LIMITS
        ) as second,
        open_host(
            local_agent.connect, local_agent.token, store=store, instance="i_third", exec_limits=LIMITS
        ) as third,
    ):
        request = ExecRequest(argv=("sh", "-c", script), queue_s=LONG_S)
        await first.link.channel()  # which sets the token that the others prove

        async def one(host: Host) -> Exec:
            started = await host.execs.start(CONTAINER_ID, request)
            return await host.execs.wait(started.id, wait_s=LONG_S)

        ended = await asyncio.gather(*(one(host) for host in (first, second, third) * 20))
        assert [each.ending.exit_code for each in ended if each.ending] == [0] * 60
        assert {each.ending.output_bytes for each in ended if each.ending} == {0}, "more ran at once"
