"""Shells that a host followed until another one took it for dead."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import pytest

from devbench_core.channel.stdin import BUFFER_MAX
from devbench_core.channel.wire import DATA_MAX
from devbench_core.clock import Clock, SystemClock
from devbench_core.contracts.store import Change, Put, Record, Remove
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import Conflict, ShellElsewhere
from devbench_core.forwarding.serving import Handler, Server
from devbench_core.json_types import JsonObject
from devbench_core.memory.store import MemoryStore
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.shell import RunReason, Shell, ShellKind, ShellRun, ShellState
from devbench_core.shells import records
from devbench_core.shells.calls import CANCEL
from devbench_core.shells.driver import frame_of
from devbench_core.shells.live import Live
from harness.agent_host import CONTAINER_ID, FORWARDING, Host, LocalAgent, eventually, open_host, serving

from .conftest import QUICK, User

UNTIL_GO = "echo one; until [ -e go ]; do sleep 0.02; done; echo two"


class WatchedStore(MemoryStore):
    """A store that does something when it has a run that began, before it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], Awaitable[None]] | None = None

    async def apply(self, *changes: Change) -> tuple[Record | None, ...]:
        """Write."""
        saved = await super().apply(*changes)
        then = self.then
        if then and any(isinstance(each, Put) and each.data.get("secret") for each in changes):
            self.then = None
            await then()
        return saved


@asynccontextmanager
async def two_hosts(
    agent: LocalAgent, store: MemoryStore, clock: Clock | None = None
) -> AsyncGenerator[tuple[Host, Host]]:
    """Open two hosts; the second serves calls of the first."""
    async with (
        open_host(agent.connect, agent.token, store=store, shell_limits=QUICK, clock=clock) as first,
        open_host(
            agent.connect, agent.token, claim=False, store=store, instance="i_second", shell_limits=QUICK
        ) as second,
        serving(second),
    ):
        yield first, second


class SkippingClock(SystemClock):
    """A clock that jumps."""

    skipped_s = 0.0

    def monotonic_s(self) -> float:
        """Return the seconds since some moment."""
        return super().monotonic_s() + self.skipped_s


def lives(shell_id: str) -> int:
    """Return how often a shell is held in memory by those who follow it."""
    gc.collect()
    return len([each for each in gc.get_objects() if type(each) is Live and each.shell.id == shell_id])


async def take_over(first: Host, second: Host) -> None:
    """Have the second host adopt what the first follows, which hears of that."""
    second.dead.add(first.instance)
    await second.execs.recover(second.container)
    await eventually(lambda: first.execs.running_here == 0)


async def test_a_host_that_lost_an_idle_shell_hands_calls_to_the_one_that_follows_it(
    local_agent: LocalAgent,
):
    async with two_hosts(local_agent, MemoryStore()) as (first, second):
        mine = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        theirs = User(host=second, shell=mine.shell)
        await mine.run("kept=yes")
        await take_over(first, second)
        assert (await mine.run("echo $kept", timeout_s=5)).out == b"yes\n"
        assert (await theirs.run("echo there")).out == b"there\n"
        begun = await second.shells.run(mine.shell.id, "echo begun; sleep 300")
        assert (await first.shells.get(mine.shell.id)).state is ShellState.RUNNING
        assert (await first.shells.poll(mine.shell.id, after=begun.after, run=begun.number, wait_s=10)).chunks
        cancelled = await first.shells.cancel(mine.shell.id)
        assert cancelled is not None
        assert (cancelled.reason, cancelled.shell_kept) == (RunReason.CANCELLED, True)


async def test_a_run_under_way_is_followed_by_one_host_when_another_took_its_shell_over(
    local_agent: LocalAgent,
):
    async with two_hosts(local_agent, MemoryStore()) as (first, second):
        mine = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        begun = await first.shells.run(mine.shell.id, UNTIL_GO)
        assert (await first.shells.poll(mine.shell.id, after=begun.after, run=begun.number, wait_s=10)).chunks
        rest = asyncio.create_task(mine.rest(begun))
        await take_over(first, second)
        await second.shells.get(mine.shell.id)
        (local_agent.workspace / "go").touch()
        assert (await rest).out == b"one\ntwo\n"
        assert (await User(host=second, shell=mine.shell).rest(begun)).out == b"one\ntwo\n"
        assert len(first.told("shell.ran") + second.told("shell.ran")) == 1


async def test_a_cancellation_goes_to_the_host_that_takes_the_shell_over_meanwhile(local_agent: LocalAgent):
    async with two_hosts(local_agent, MemoryStore()) as (first, second):
        mine = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        script = "trap '' INT; echo one; (trap '' INT; exec sleep 300)"
        begun = await first.shells.run(mine.shell.id, script)
        assert (await first.shells.poll(mine.shell.id, after=begun.after, run=begun.number, wait_s=10)).chunks
        cancelling = asyncio.create_task(first.shells.cancel(mine.shell.id))
        await take_over(first, second)
        cancelled = await cancelling
        assert cancelled is not None
        assert cancelled.reason is RunReason.CANCELLED


async def test_a_cancellation_that_goes_on_to_another_host_ends_no_later_run_there(local_agent: LocalAgent):
    async with two_hosts(local_agent, MemoryStore()) as (first, second), asyncio.TaskGroup() as tasks:
        mine = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        script = "trap '' INT; echo one; (trap '' INT; exec sleep 300)"
        begun = await first.shells.run(mine.shell.id, script)
        assert (await first.shells.poll(mine.shell.id, after=begun.after, run=begun.number, wait_s=10)).chunks
        later: list[ShellRun] = []

        async def when_another_runs(arguments: JsonObject, caller: Caller) -> JsonObject:
            await second.shells.cancel(mine.shell.id)
            later.append(await second.shells.run(mine.shell.id, UNTIL_GO))
            return await second.shells.serve(CANCEL, arguments, caller)

        handlers: dict[str, Handler] = {CANCEL: when_another_runs}
        second.server = Server(second.store, SystemClock(), FORWARDING, tasks, second.instance, handlers)
        cancelling = asyncio.create_task(first.shells.cancel(mine.shell.id))
        await take_over(first, second)
        await cancelling
        (local_agent.workspace / "go").touch()
        assert (await User(host=second, shell=mine.shell).rest(later[0])).run.reason is RunReason.EXITED


async def test_input_that_waits_goes_to_the_host_that_takes_the_shell_over_meanwhile(local_agent: LocalAgent):
    async with two_hosts(local_agent, MemoryStore()) as (first, second):
        mine = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        script = "until [ -e go ]; do sleep 0.02; done; grep -m1 last"
        begun = await first.shells.run(mine.shell.id, script, interactive=True)
        inputs = [  # more than is taken while nobody reads
            asyncio.create_task(first.shells.input(mine.shell.id, b"x" * (DATA_MAX - 1) + b"\n"))
            for _ in range(2 * BUFFER_MAX // DATA_MAX)
        ]
        await eventually(lambda: sum(each.done() for each in inputs) >= BUFFER_MAX // DATA_MAX)
        await take_over(first, second)
        (local_agent.workspace / "go").touch()
        await asyncio.gather(*inputs)
        await first.shells.input(mine.shell.id, b"last\n")
        assert (await mine.rest(begun)).out == b"last\n"


async def test_runs_and_input_for_a_shell_that_is_just_being_taken_over_wait_for_its_agent(
    local_agent: LocalAgent,
):
    store, asked, go = MemoryStore(), asyncio.Event(), asyncio.Event()

    async def connect() -> ByteStream:
        asked.set()
        await go.wait()
        return await local_agent.connect()

    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first:
        reads, idle = [await first.shells.open(CONTAINER_ID) for _ in range(2)]
        begun = await first.shells.run(reads.id, "grep -m1 last", interactive=True)
    async with open_host(
        connect, local_agent.token, store=store, instance="i_second", shell_limits=QUICK
    ) as second:
        second.dead.add("i_first")
        recovering = [asyncio.create_task(second.execs.get(each.id)) for each in (reads, idle)]
        await asked.wait()  # they are followed, and cannot be told anything yet
        giving = asyncio.create_task(second.shells.input(reads.id, b"last\n"))
        running = asyncio.create_task(second.shells.run(idle.id, "echo one"))
        for _ in range(100):  # they come as far as they can
            await asyncio.sleep(0)
        go.set()
        await giving
        assert (await User(host=second, shell=reads).rest(begun)).out == b"last\n"
        assert (await User(host=second, shell=idle).rest(await running)).out == b"one\n"
        await asyncio.gather(*recovering)


async def take_over_unanswered(agent: LocalAgent, first: Host, second: Host) -> asyncio.Task[Shell]:
    """Have the first host open a shell that answers when there is a file `go`, and the second one take it over."""
    (agent.workspace / "slow").write_text("echo begun; until [ -e go ]; do sleep 0.02; done")
    env = {"BASH_ENV": str(agent.workspace / "slow")}
    opening = asyncio.create_task(first.shells.open(CONTAINER_ID, kind=ShellKind.BASH, env=env))
    async with asyncio.timeout(10):
        while not (found := await second.shells.list(CONTAINER_ID)) or not found[0].runs:
            await asyncio.sleep(0.005)
        while not (await second.shells.poll(found[0].id)).chunks:
            await asyncio.sleep(0.005)
    await take_over(first, second)
    return opening


async def test_a_shell_that_is_taken_over_before_it_answers_is_open_when_it_does(local_agent: LocalAgent):
    async with two_hosts(local_agent, MemoryStore()) as (first, second):
        opening = await take_over_unanswered(local_agent, first, second)
        await second.shells.sweep()
        (local_agent.workspace / "go").touch()
        mine = User(host=first, shell=await opening)
        assert mine.shell.program == "bash"
        assert (await mine.run("echo on")).out == b"on\n"
        assert len(first.told("shell.opened")) == 1


async def test_a_shell_that_is_taken_over_and_does_not_answer_in_time_is_said_to_be_elsewhere(
    local_agent: LocalAgent,
):
    clock = SkippingClock()
    async with two_hosts(local_agent, MemoryStore(), clock) as (first, second):
        opening = await take_over_unanswered(local_agent, first, second)
        clock.skipped_s = 1000
        with pytest.raises(ShellElsewhere):
            await opening


async def test_a_run_is_not_begun_when_its_shell_is_taken_over_while_it_is_recorded(local_agent: LocalAgent):
    store = WatchedStore()
    async with two_hosts(local_agent, store) as (first, second):
        mine = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        store.then = lambda: take_over(first, second)
        assert (await mine.run("echo on", timeout_s=5)).out == b"on\n"
        lost = (await mine.again()).runs[1]
        assert (lost.number, lost.reason, lost.shell_kept) == (1, RunReason.LOST, True)


async def test_a_run_that_another_host_recorded_and_nobody_follows_is_seen_to_by_who_meets_it(
    local_agent: LocalAgent,
):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        await user.run("kept=yes")
        left = await user.again()
        run = attrs.evolve(left.runs[-1], number=2, after=left.runs[-1].until, until=0, ended_at=None)
        size = len(frame_of("touch begun", "0" * 32, interactive=False))
        recorded = attrs.evolve(
            left,
            runs=(*left.runs, run),
            secret="0" * 32,
            sent_before=left.sent_bytes,
            sent_bytes=left.sent_bytes + size,
        )
        await records.save(store, recorded)
        with pytest.raises(Conflict):
            await user.run("echo never")
        assert (await user.rest(run)).run.reason is RunReason.LOST
        assert (await user.run("echo $kept; ls")).out == b"yes\n"


async def test_the_end_of_a_run_does_not_overwrite_the_newer_run_of_another_host(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        begun = await host.shells.run(user.shell.id, UNTIL_GO)
        found = await records.load(store, user.shell.id, LOCAL)
        ended = attrs.evolve(begun, ended_at=begun.started_at, reason=RunReason.EXITED, shell_kept=True)
        newer = attrs.evolve(begun, number=begun.number + 1)
        theirs = await records.save(
            store,
            attrs.evolve(found, runs=(*found.runs[:-1], ended, newer), secret="1" * 32, sent_bytes=9000),
        )
        (local_agent.workspace / "go").touch()
        await eventually(lambda: lives(user.shell.id) == 0)
        assert await records.load(store, user.shell.id, LOCAL) == theirs
        assert host.told("shell.ran") == []


async def test_the_end_of_a_run_whose_record_was_removed_is_not_tried_for_ever(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as host:
        shell_id = (await host.shells.open(CONTAINER_ID)).id
        await host.shells.run(shell_id, "exit 3")
        await store.apply(Remove(kind=records.KIND, key=shell_id))
        await eventually(lambda: lives(shell_id) == 0)
        assert await store.get(records.KIND, shell_id) is None


@pytest.mark.parametrize("way", ["exit", "close", "killed while it is idle"])
async def test_a_host_keeps_nothing_in_memory_of_a_shell_that_ended(local_agent: LocalAgent, way: str):
    async with open_host(local_agent.connect, local_agent.token, shell_limits=QUICK) as host:
        shell_id = (await host.shells.open(CONTAINER_ID)).id
        assert lives(shell_id) == 1
        if way == "exit":
            await host.shells.run(shell_id, "exit 3")
        elif way == "close":
            await host.shells.run(shell_id, "sleep 300")
            await host.shells.close(shell_id)
        else:
            await host.execs.signal(shell_id, "KILL")
        await eventually(lambda: host.execs.running_here == 0)
        await eventually(lambda: lives(shell_id) == 0)
        assert (await host.shells.get(shell_id)).state is ShellState.ENDED
