"""A command's record is written while its START is on the way; no order of the two, and no death, leaves a lie."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from devbench_core.channel.codes import Source
from devbench_core.channel.exec_messages import Ack, Output, Start, Started, Window
from devbench_core.channel.settings import ChannelLimits
from devbench_core.contracts.store import Change, Put, Record
from devbench_core.errors import AgentUnavailable, StoreFailed, TimedOut
from devbench_core.execs import records
from devbench_core.execs.keys import agent_key, exec_of, starter_of
from devbench_core.memory.store import MemoryStore
from devbench_core.model.execution import Exec, ExecReason, ExecRequest, ExecState
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, descendants, eventually, open_host
from harness.scripted_agent import TOKEN, ScriptedAgent, duplex

LONG = ExecRequest(argv=("sh", "-c", "echo ran > mark; seq 100000; sleep 300"))


class HeldStore(MemoryStore):
    """Writes no record of a command before it is told to, or refuses it."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.refusal: StoreFailed | None = None

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        if any(isinstance(change, Put) and change.kind == records.KIND for change in changes):
            await self.go.wait()
            if self.refusal is not None:
                raise self.refusal
        return await super().apply(*changes)


@asynccontextmanager
async def starting(host: Host, mark: Path) -> AsyncGenerator[asyncio.Task[object]]:
    """A start whose program has been executed."""
    start = asyncio.create_task(host.execs.start(CONTAINER_ID, LONG))
    try:
        await eventually(mark.exists)
        yield start
    finally:
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)


async def until_agent_is_empty(host: Host) -> None:
    channel = await host.link.channel()
    async with asyncio.timeout(10):
        while await channel.list_execs():
            await asyncio.sleep(0.01)


async def test_the_program_runs_while_the_record_is_written_and_start_waits_for_both(
    local_agent: LocalAgent,
):
    store = HeldStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as host,
        starting(host, local_agent.workspace / "mark") as start,
    ):
        assert not start.done()
        assert host.told("exec.started") == []
        store.go.set()
        started = await asyncio.wait_for(start, 10)
        assert [event.exec_id for event in host.told("exec.started")] == [getattr(started, "id", "")]
        (found,) = await host.execs.list(CONTAINER_ID)
        assert found.started_at is not None
        assert (await host.execs.cancel(found.id)).ending is not None


@pytest.mark.parametrize("outlives", [True, False])
async def test_a_caller_that_goes_before_it_hears_of_the_start_ends_the_command_unless_it_shall_outlive_it(
    local_agent: LocalAgent, outlives: bool
):
    store, mark = HeldStore(), local_agent.workspace / "mark"
    async with open_host(local_agent.connect, local_agent.token, store=store) as host:
        start = asyncio.create_task(host.execs.start(CONTAINER_ID, LONG, outlives_caller=outlives))
        await eventually(mark.exists)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        store.go.set()
        async with asyncio.timeout(10):
            while not (found := await host.execs.list(CONTAINER_ID)):
                await asyncio.sleep(0.01)
        waited = await host.execs.wait(found[0].id, wait_s=0.2 if outlives else 10)
        assert (waited.ending is None) is outlives
        assert outlives is (waited.state is ExecState.RUNNING)
        assert (await host.execs.cancel(found[0].id)).ending is not None


async def test_a_command_whose_record_the_store_refuses_is_ended_without_a_trace(local_agent: LocalAgent):
    store = HeldStore()
    store.refusal = StoreFailed("full")
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as host,
        starting(host, local_agent.workspace / "mark") as start,
    ):
        store.go.set()
        with pytest.raises(StoreFailed, match="full"):
            await asyncio.wait_for(start, 10)
        await eventually(lambda: descendants(local_agent.process.pid) == [])
        await until_agent_is_empty(host)
        assert host.events == []
        assert not host.execs.running_here
        assert await host.execs.list(CONTAINER_ID) == ()
        store.refusal = None
        again = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",)))
        assert (await host.execs.wait(again.id, wait_s=10)).ending is not None


async def test_a_command_whose_host_died_before_the_record_was_written_is_ended_by_the_next(
    local_agent: LocalAgent,
):
    store = HeldStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as first,
        starting(first, local_agent.workspace / "mark"),
        open_host(local_agent.connect, local_agent.token, store=store, instance="i_second") as second,
    ):
        second.container = attrs.evolve(second.container, instance="i_second")
        await second.execs.recover(second.container)
        assert descendants(local_agent.process.pid) != [], "its host lives and is about to record it"
        async with open_host(
            local_agent.connect, local_agent.token, store=store, instance="i_third"
        ) as third:
            third.container = attrs.evolve(third.container, instance="i_third")
            third.dead.add("i_first")
            await third.execs.recover(third.container)
            await eventually(lambda: descendants(local_agent.process.pid) == [])
            await until_agent_is_empty(third)
        store.go.set()


async def test_an_unrecorded_command_whose_output_fills_the_agent_is_ended_too(local_agent: LocalAgent):
    store = HeldStore()
    loud = ExecRequest(argv=("sh", "-c", "echo ran > mark; yes"))
    async with open_host(local_agent.connect, local_agent.token, store=store) as first:
        start = asyncio.create_task(first.execs.start(CONTAINER_ID, loud))
        await eventually((local_agent.workspace / "mark").exists)
        channel = await first.link.channel()
        async with asyncio.timeout(10):
            while (await channel.list_execs())[0].next < 1 << 20:  # its spool is full, and nothing is safe
                await asyncio.sleep(0.01)
        async with open_host(
            local_agent.connect, local_agent.token, store=store, instance="i_next"
        ) as second:
            second.container = attrs.evolve(second.container, instance="i_next")
            second.dead.add("i_first")
            await second.execs.recover(second.container)
            await until_agent_is_empty(second)
        assert descendants(local_agent.process.pid) == []
        start.cancel()
        await asyncio.gather(start, return_exceptions=True)
        store.go.set()


async def test_whoever_uses_a_container_first_ends_what_nobody_owns(local_agent: LocalAgent):
    store = HeldStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as first,
        starting(first, local_agent.workspace / "mark"),
    ):
        unrecorded = descendants(local_agent.process.pid)
        async with open_host(local_agent.connect, local_agent.token, instance="i_other") as other:
            other.dead.add("i_first")
            await other.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "300")))
            await eventually(lambda: not set(unrecorded) & set(descendants(local_agent.process.pid)))
            await other.execs.cancel((await other.execs.list(CONTAINER_ID))[0].id)
        store.go.set()


class BrokenStore(MemoryStore):
    """Has a fault."""

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        if any(isinstance(change, Put) and change.kind == records.KIND for change in changes):
            raise RuntimeError("a fault of the plugin")
        return await super().apply(*changes)


async def test_a_store_with_a_fault_refuses_the_command_instead_of_hanging_it(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token, store=BrokenStore()) as host:
        with pytest.raises(StoreFailed, match="a fault of the plugin"):
            await asyncio.wait_for(host.execs.start(CONTAINER_ID, LONG), 10)
        await eventually(lambda: descendants(local_agent.process.pid) == [])
        assert not host.execs.running_here


async def test_a_container_that_is_being_removed_takes_no_command(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token) as host:
        await host.link.channel()
        host.link.retire()
        with pytest.raises(AgentUnavailable):
            await host.execs.start(CONTAINER_ID, LONG)
        await eventually(lambda: not host.execs.running_here)
        assert all(each.ending for each in await host.execs.list(CONTAINER_ID))
        assert descendants(local_agent.process.pid) == []


async def test_a_command_that_found_no_room_in_time_was_never_started_and_says_so(local_agent: LocalAgent):
    limits = ChannelLimits(request_timeout_s=0.2)
    async with open_host(local_agent.connect, local_agent.token, channel_limits=limits) as host:
        channel = await host.link.channel()
        channel._outbox._room.clear()  # pyright: ignore[reportPrivateUsage] - as uploads to a frozen container do
        with pytest.raises(TimedOut) as late:
            await host.execs.start(CONTAINER_ID, LONG)
        ended = await host.execs.wait(str(late.value.details["exec_id"]), wait_s=10)
        assert ended.ending is not None
        assert ended.ending.reason is ExecReason.CANCELLED
        assert not host.execs.running_here


async def test_a_host_that_leaves_at_once_has_said_that_the_endings_are_safe(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token) as host:
        started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("true",)))
        assert (await host.execs.wait(started.id, wait_s=10)).ending is not None
    async with open_host(local_agent.connect, local_agent.token, claim=False) as other:
        assert await (await other.link.channel()).list_execs() == ()


async def test_a_caller_that_goes_away_while_the_record_is_written_leaves_a_cancelled_command(
    local_agent: LocalAgent,
):
    store = HeldStore()
    async with open_host(local_agent.connect, local_agent.token, store=store) as host:
        async with starting(host, local_agent.workspace / "mark"):
            pass
        store.go.set()
        await eventually(lambda: not host.execs.running_here)
        (found,) = await host.execs.list(CONTAINER_ID)
        assert found.ending is not None
        assert found.ending.reason is ExecReason.CANCELLED


async def test_a_host_that_closes_while_a_record_is_written_says_so_to_the_caller(local_agent: LocalAgent):
    store = HeldStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store) as host,
        starting(host, local_agent.workspace / "mark") as start,
    ):
        closing = asyncio.create_task(host.execs.aclose())
        store.go.set()
        await asyncio.wait_for(closing, 10)
        await asyncio.wait_for(start, 10)
        (found,) = await host.execs.list(CONTAINER_ID)
        assert found.ending is None, "it runs on for the next host"


class ForgetfulStore(MemoryStore):
    """Refuses to write that a command runs, once."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        if not self.refused and any(_says_running(change) for change in changes):
            self.refused += 1
            raise StoreFailed("full")
        return await super().apply(*changes)


def _says_running(change: Change) -> bool:
    return (
        isinstance(change, Put)
        and change.kind == records.KIND
        and change.data["state"] == ExecState.RUNNING.value
    )


async def test_that_a_silent_command_runs_is_written_although_the_store_refused_it_once(
    local_agent: LocalAgent,
):
    store = ForgetfulStore()
    async with open_host(local_agent.connect, local_agent.token, store=store) as host:
        request = ExecRequest(argv=("sleep", "300"))
        started = await host.execs.start(CONTAINER_ID, request, idempotency_key="once")
        async with asyncio.timeout(10):
            while (await written(store, started.id)).state is not ExecState.RUNNING:
                await asyncio.sleep(0.01)
        assert store.refused == 1
        await host.execs.cancel(started.id)


async def written(store: MemoryStore, exec_id: str) -> Exec:
    record = await store.get(records.KIND, exec_id)
    assert record is not None
    return records.read(record)


async def test_output_that_became_safe_before_the_program_was_known_to_run_is_acknowledged_then():
    host_end, agent_end = duplex()
    agent = ScriptedAgent(agent_end)

    async def connect():
        return host_end

    async def play() -> tuple[int, int]:
        await agent.shake_hands()
        start = await agent.receive_a(Start)
        await agent.send(Output(id=start.id, offset=0, stream=Source.STDOUT, data=b"x" * 1000))
        await eventually(lambda: any(run.journal.durable_offset for run in host.execs._runs.all()))  # pyright: ignore[reportPrivateUsage]
        await agent.send(Started(id=start.id, pid=1))
        ack = await agent.receive_a(Ack)
        return ack.offset, (await agent.receive_a(Window)).limit

    async with open_host(connect, TOKEN, claim=False) as host:
        playing = asyncio.create_task(asyncio.wait_for(play(), 10))
        await host.execs.start(CONTAINER_ID, ExecRequest(argv=("x",)))
        assert await playing == (1000, 1000 + host.link.window_bytes)


def test_a_key_says_which_command_and_who_started_it():
    key = agent_key("x_1", "i_2")
    assert (exec_of(key), starter_of(key)) == ("x_1", "i_2")
    assert (exec_of("x_1"), starter_of("x_1")) == ("x_1", "")
