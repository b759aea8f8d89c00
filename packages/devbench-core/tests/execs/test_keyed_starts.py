"""A command with an idempotency key runs once, however often and on however many hosts it is asked for."""

import asyncio
from contextlib import AsyncExitStack

import attrs
import pytest

from devbench_core.channel.settings import ChannelLimits
from devbench_core.contracts.store import Change, Put, Record
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import (
    AgentUnavailable,
    ConcurrencyLimit,
    Conflict,
    StoreFailed,
    TimedOut,
    ValidationFailed,
    Vetoed,
)
from devbench_core.execs.settings import ExecLimits
from devbench_core.idempotency import KIND as KEY_KIND
from devbench_core.memory.store import MemoryStore
from devbench_core.model.caller import Caller
from devbench_core.model.event import Veto
from devbench_core.model.execution import ExecReason, ExecRequest, ExecState
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, eventually, open_host
from harness.scripted_agent import TOKEN, ScriptedAgent, duplex
from harness.slow_stream import SlowStream

ONCE = ExecRequest(argv=("sh", "-c", "echo ran >> count; echo done"))
SLEEP = ExecRequest(argv=("sh", "-c", "echo ran >> count; exec sleep 300"))


def runs(agent: LocalAgent) -> int:
    """How often a command ran that leaves a line."""
    count = agent.workspace / "count"
    return len(count.read_text().splitlines()) if count.exists() else 0


async def ran(agent: LocalAgent, times: int) -> None:
    """See that it ran so often; its program is started a moment before it writes."""
    await eventually(lambda: runs(agent) >= times)
    assert runs(agent) == times


async def test_the_same_key_gives_the_same_command_and_it_runs_once(host: Host, local_agent: LocalAgent):
    first = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
    ended = await host.execs.wait(first.id, wait_s=10)
    again = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
    assert (first.replayed, again.replayed) == (False, True)
    assert again == attrs.evolve(ended, replayed=True)
    await ran(local_agent, 1)
    assert len(await host.execs.list(CONTAINER_ID)) == 1


async def test_a_hundred_callers_with_one_key_start_one_command(host: Host, local_agent: LocalAgent):
    started = await asyncio.gather(
        *(host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k") for _ in range(100))
    )
    assert len({each.id for each in started}) == 1
    assert sum(not each.replayed for each in started) == 1
    await host.execs.wait(started[0].id, wait_s=10)
    await ran(local_agent, 1)
    assert len(host.told("exec.started")) == 1


async def test_hosts_with_one_store_and_one_key_start_one_command(local_agent: LocalAgent):
    store = MemoryStore()
    async with AsyncExitStack() as stack:
        hosts = [
            await stack.enter_async_context(
                open_host(local_agent.connect, local_agent.token, claim=not n, store=store, instance=f"i_{n}")
            )
            for n in range(3)
        ]
        await hosts[0].link.channel()
        started = await asyncio.gather(
            *(host.execs.start(CONTAINER_ID, SLEEP, idempotency_key="k") for host in hosts * 5)
        )
        assert len({each.id for each in started}) == 1
        assert sum(not each.replayed for each in started) == 1
        assert all(each.state is ExecState.RUNNING for each in started)
        await ran(local_agent, 1)
        await hosts[1].execs.cancel(started[0].id)


async def test_a_key_with_a_different_request_is_refused_and_named(host: Host, local_agent: LocalAgent):
    first = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
    with pytest.raises(Conflict, match="'k' was used for a different request") as caught:
        await host.execs.start(CONTAINER_ID, attrs.evolve(ONCE, timeout_s=5.0), idempotency_key="k")
    assert caught.value.details == {"exec_id": first.id}
    with pytest.raises(Conflict):
        await host.execs.start(CONTAINER_ID, attrs.evolve(ONCE, stdin=b"x"), idempotency_key="k")
    with pytest.raises(Conflict):
        await host.execs.start(CONTAINER_ID, ONCE, open_stdin=True, idempotency_key="k")
    await host.execs.wait(first.id, wait_s=10)
    await ran(local_agent, 1)


async def test_a_different_request_beside_a_start_under_way_is_refused(host: Host):
    both = await asyncio.gather(
        host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k"),
        host.execs.start(CONTAINER_ID, SLEEP, idempotency_key="k"),
        return_exceptions=True,
    )
    assert isinstance(both[1], Conflict)


async def test_how_long_it_may_wait_for_a_slot_is_not_part_of_a_request(host: Host):
    first = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
    again = await host.execs.start(CONTAINER_ID, attrs.evolve(ONCE, queue_s=5.0), idempotency_key="k")
    assert again.id == first.id


async def test_large_input_is_part_of_a_request(host: Host):
    request = ExecRequest(argv=("wc", "-c"), stdin=b"x" * 3_000_000)
    first = await host.execs.start(CONTAINER_ID, request, idempotency_key="k")
    assert (await host.execs.start(CONTAINER_ID, request, idempotency_key="k")).id == first.id
    other = attrs.evolve(request, stdin=b"x" * 2_999_999 + b"y")
    with pytest.raises(Conflict):
        await host.execs.start(CONTAINER_ID, other, idempotency_key="k")


@pytest.mark.parametrize("other", [Caller(tenant="other"), Caller(subject="other")])
async def test_the_same_key_of_another_caller_is_another_key(
    host: Host, local_agent: LocalAgent, other: Caller
):
    first = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
    second = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k", caller=other)
    assert second.id != first.id
    await host.execs.wait(first.id, wait_s=10)
    await host.execs.wait(second.id, wait_s=10, caller=other)
    await ran(local_agent, 2)


async def test_a_text_that_is_no_key_is_refused(host: Host):
    with pytest.raises(ValidationFailed, match="idempotency_key"):
        await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="")


async def test_a_repeat_finds_its_command_also_when_no_slot_is_free(local_agent: LocalAgent):
    limits = ExecLimits(concurrent_per_container=1)
    async with open_host(local_agent.connect, local_agent.token, exec_limits=limits) as host:
        first = await host.execs.start(CONTAINER_ID, SLEEP, idempotency_key="k")
        assert (await host.execs.start(CONTAINER_ID, SLEEP, idempotency_key="k")).id == first.id
        with pytest.raises(ConcurrencyLimit):
            await host.execs.start(CONTAINER_ID, SLEEP, idempotency_key="other")
        await host.execs.cancel(first.id)
        await eventually(lambda: host.execs.running_here == 0)
        await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="other")


async def test_a_command_that_could_not_be_executed_leaves_its_key_free(host: Host, local_agent: LocalAgent):
    request = ExecRequest(argv=("./later",))
    first = await host.execs.start(CONTAINER_ID, request, idempotency_key="k")
    assert first.ending is not None
    assert first.ending.reason is ExecReason.FAILED_TO_START
    program = local_agent.workspace / "later"
    program.write_text("#!/bin/sh\necho ran >> count\n")
    program.chmod(0o755)
    second = await host.execs.start(CONTAINER_ID, request, idempotency_key="k")
    assert (second.replayed, second.id != first.id) == (False, True)
    third = await host.execs.start(CONTAINER_ID, request, idempotency_key="k")
    assert (third.replayed, third.id) == (True, second.id)
    await host.execs.wait(second.id, wait_s=10)
    await ran(local_agent, 1)


async def test_a_start_that_found_no_agent_leaves_its_key_free(local_agent: LocalAgent):
    silent = True

    async def connect() -> ByteStream:
        if silent:
            raise AgentUnavailable("nobody is there")
        return await local_agent.connect()

    async with open_host(connect, local_agent.token) as host:
        results = await asyncio.gather(
            *(host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k") for _ in range(3)),
            return_exceptions=True,
        )
        assert all(isinstance(result, AgentUnavailable) for result in results)
        silent = False
        again = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
        assert not again.replayed


async def test_a_start_that_was_not_sent_in_time_leaves_its_key_free(local_agent: LocalAgent):
    limits = ChannelLimits(request_timeout_s=0.2)
    async with open_host(local_agent.connect, local_agent.token, channel_limits=limits) as host:
        channel = await host.link.channel()
        room = channel._outbox._room  # pyright: ignore[reportPrivateUsage] - as uploads to a frozen container do
        room.clear()
        with pytest.raises(TimedOut):
            await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
        room.set()
        again = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
        assert not again.replayed
        await host.execs.wait(again.id, wait_s=10)
        await ran(local_agent, 1)


async def test_a_start_whose_outcome_is_not_known_keeps_its_key():
    host_end, agent_end = duplex()
    agent = ScriptedAgent(agent_end)

    async def connect() -> ByteStream:
        return host_end

    limits = ChannelLimits(request_timeout_s=0.2)
    quick = ExecLimits(poll_max_wait_s=0.1)
    async with (
        open_host(connect, TOKEN, claim=False, channel_limits=limits, exec_limits=quick) as host,
        asyncio.TaskGroup() as playing,
    ):
        silent = playing.create_task(agent.shake_hands())
        with pytest.raises(TimedOut) as late:
            await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
        again = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
        assert (again.replayed, again.id) == (True, late.value.details["exec_id"])
        await silent


async def test_a_refusal_leaves_the_key_free_and_a_replay_is_not_asked_about(
    host: Host, local_agent: LocalAgent
):
    host.veto = Veto(clause="night", reason="not now")
    with pytest.raises(Vetoed):
        await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
    host.veto = None
    first = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
    host.veto = Veto(clause="night", reason="not now")
    assert (await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")).id == first.id


class ClaimStore(MemoryStore):
    """Holds, refuses, or loses the answer of the change that claims a key."""

    def __init__(self) -> None:
        super().__init__()
        self.claimed = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.refuse_before = self.refuse_after = False

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        claims = any(isinstance(change, Put) and change.kind == KEY_KIND for change in changes)
        if claims and self.refuse_before:
            raise StoreFailed("full")
        done = await super().apply(*changes)
        if claims:
            self.claimed.set()
            await self.go.wait()
            if self.refuse_after:
                raise StoreFailed("written, but the answer was lost")
        return done


async def test_a_claim_that_the_store_refuses_starts_nothing(local_agent: LocalAgent):
    store = ClaimStore()
    store.refuse_before = True
    async with open_host(local_agent.connect, local_agent.token, store=store) as host:
        with pytest.raises(StoreFailed, match="full"):
            await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
        assert host.execs.running_here == 0
        assert await host.execs.list(CONTAINER_ID) == ()
        store.refuse_before = False
        again = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
        assert not again.replayed
        await host.execs.wait(again.id, wait_s=10)
        await ran(local_agent, 1)


async def test_a_claim_that_was_written_although_the_store_failed_starts_nothing_and_is_free(
    local_agent: LocalAgent,
):
    store = ClaimStore()
    store.refuse_after = True
    async with open_host(local_agent.connect, local_agent.token, store=store) as host:
        with pytest.raises(StoreFailed, match="answer was lost"):
            await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
        store.refuse_after = False
        again = await host.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
        assert not again.replayed
        await host.execs.wait(again.id, wait_s=10)
        await ran(local_agent, 1)
        first, _ = await host.execs.list(CONTAINER_ID)
        assert first.ending is not None
        assert first.ending.reason is ExecReason.FAILED_TO_START


async def test_a_caller_that_goes_away_after_the_claim_ends_nothing_and_a_repeat_finds_it(
    local_agent: LocalAgent,
):
    store = ClaimStore()
    store.go.clear()
    async with open_host(local_agent.connect, local_agent.token, store=store) as host:
        start = asyncio.create_task(host.execs.start(CONTAINER_ID, SLEEP, idempotency_key="k"))
        await store.claimed.wait()
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        store.go.set()
        again = await host.execs.start(CONTAINER_ID, SLEEP, idempotency_key="k")
        assert (again.replayed, again.state) == (True, ExecState.RUNNING)
        await ran(local_agent, 1)
        await host.execs.cancel(again.id)


async def test_a_caller_that_goes_away_before_the_claim_leaves_nothing(local_agent: LocalAgent):
    limits = ExecLimits(concurrent_per_container=1)
    async with open_host(local_agent.connect, local_agent.token, exec_limits=limits) as host:
        first = await host.execs.start(CONTAINER_ID, SLEEP)
        queued = attrs.evolve(ONCE, queue_s=60.0)
        both = [
            asyncio.create_task(host.execs.start(CONTAINER_ID, queued, idempotency_key="k")) for _ in "ab"
        ]
        await eventually(lambda: len(host.requests) == 2)
        both[0].cancel()
        await asyncio.wait(both[:1])
        assert not both[1].done()
        both[1].cancel()
        await asyncio.wait(both)
        await host.execs.cancel(first.id)
        await eventually(lambda: host.execs.running_here == 0)
        assert (await host.store.list(KEY_KIND)).records == ()
        assert [each.id for each in await host.execs.list(CONTAINER_ID)] == [first.id]
        await ran(local_agent, 1)
        again = await host.execs.start(CONTAINER_ID, queued, idempotency_key="k")
        assert not again.replayed


async def test_one_of_those_who_wait_may_go_away(local_agent: LocalAgent):
    limits = ExecLimits(concurrent_per_container=1)
    async with open_host(local_agent.connect, local_agent.token, exec_limits=limits) as host:
        first = await host.execs.start(CONTAINER_ID, SLEEP)
        queued = attrs.evolve(ONCE, queue_s=60.0)
        both = [
            asyncio.create_task(host.execs.start(CONTAINER_ID, queued, idempotency_key="k")) for _ in "ab"
        ]
        await eventually(lambda: len(host.requests) == 2)
        both[0].cancel()
        await host.execs.cancel(first.id)
        assert (await asyncio.wait_for(both[1], 10)).replayed


async def test_a_host_that_closes_lets_nobody_wait_for_a_key(local_agent: LocalAgent):
    limits = ExecLimits(concurrent_per_container=1)
    async with open_host(local_agent.connect, local_agent.token, exec_limits=limits) as host:
        await host.execs.start(CONTAINER_ID, SLEEP)
        queued = attrs.evolve(ONCE, queue_s=60.0)
        start = asyncio.create_task(host.execs.start(CONTAINER_ID, queued, idempotency_key="k"))
        await eventually(lambda: len(host.requests) == 2)
        await host.execs.aclose()
        with pytest.raises(AgentUnavailable, match="closing"):
            await asyncio.wait_for(start, 10)


async def test_a_start_that_a_dead_host_had_sent_and_the_agent_not_read_comes_never(local_agent: LocalAgent):
    store = MemoryStore()
    stream: list[SlowStream] = []

    async def slowly() -> ByteStream:
        if stream:
            raise AgentUnavailable("a dead host opens no second one")
        stream.append(SlowStream(await local_agent.connect()))
        return stream[-1]

    async with open_host(slowly, local_agent.token, store=store) as first:
        await first.link.channel()
        stream[0].hold()
        start = asyncio.create_task(first.execs.start(CONTAINER_ID, ONCE, idempotency_key="k"))
        await eventually(lambda: bool(stream[0].held))
        async with open_host(
            local_agent.connect, local_agent.token, claim=False, store=store, instance="i_second"
        ) as second:
            second.dead.add("i_first")
            again = await second.execs.start(CONTAINER_ID, ONCE, idempotency_key="k")
            assert not again.replayed
            await stream[0].release()  # what was on its way arrives at last
            await second.execs.wait(again.id, wait_s=10)
            channel = await second.link.channel()
            await channel.list_execs()
            await ran(local_agent, 1)
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)
            await first.link.aclose()
            await ran(local_agent, 1)
