"""Shells whose host died, and shells of other hosts."""

from __future__ import annotations

import asyncio
from functools import partial

import attrs
import pytest

from devbench_core.clock import SystemClock
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import ShellBusy, ShellElsewhere, ShellIdle
from devbench_core.forwarding.serving import Handler, Server
from devbench_core.json_types import JsonObject
from devbench_core.memory.store import MemoryStore
from devbench_core.model.caller import Caller
from devbench_core.model.shell import RunReason, ShellState
from devbench_core.shells import records
from devbench_core.shells.calls import CANCEL, HANDOVERS, RUN
from devbench_core.shells.driver import frame_of
from devbench_core.shells.refusals import elsewhere
from harness.agent_host import CONTAINER_ID, FORWARDING, LocalAgent, eventually, open_host, serving

from .conftest import QUICK, User


async def test_the_next_host_goes_on_with_a_shell_of_one_that_died(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first:
        user = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        await user.run("kept=yes")
    async with open_host(
        local_agent.connect,
        local_agent.token,
        claim=False,
        store=store,
        instance="i_second",
        shell_limits=QUICK,
    ) as second:
        second.dead.add("i_first")
        user = User(host=second, shell=await second.shells.get(user.shell.id))
        assert (await user.run("echo $kept")).out == b"yes\n"
        begun = await second.shells.run(user.shell.id, "read -r x; echo got $x", interactive=True)
        await second.shells.input(user.shell.id, b"it\n")
        assert (await user.rest(begun)).out == b"got it\n"


async def test_a_run_that_was_under_way_is_found_at_its_end(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first:
        user = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        begun = await first.shells.run(
            user.shell.id, "echo one; until [ -e go ]; do sleep 0.02; done; echo two; (exit 6)"
        )
        assert (await first.shells.poll(user.shell.id, after=begun.after, run=begun.number, wait_s=10)).chunks
    (local_agent.workspace / "go").touch()
    async with open_host(
        local_agent.connect,
        local_agent.token,
        claim=False,
        store=store,
        instance="i_second",
        shell_limits=QUICK,
    ) as second:
        second.dead.add("i_first")
        ran = await User(host=second, shell=user.shell).rest(begun)
        assert (ran.out, ran.run.exit_code, ran.run.shell_kept) == (b"one\ntwo\n", 6, True)


async def test_the_time_limit_of_a_run_holds_although_its_host_died(local_agent: LocalAgent):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first:
        user = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        begun = await first.shells.run(user.shell.id, "echo begun; sleep 300", timeout_s=0.3)
        assert (await first.shells.poll(user.shell.id, after=begun.after, run=begun.number, wait_s=10)).chunks
    async with open_host(
        local_agent.connect,
        local_agent.token,
        claim=False,
        store=store,
        instance="i_second",
        shell_limits=QUICK,
    ) as second:
        second.dead.add("i_first")
        await second.shells.sweep()  # nobody need ask for it
        ran = await User(host=second, shell=user.shell).rest(begun)
        assert (ran.run.reason, ran.run.shell_kept) == (RunReason.TIMED_OUT, True)


async def test_a_run_that_its_host_recorded_and_never_sent_is_lost_and_the_shell_is_kept(
    local_agent: LocalAgent,
):
    store = MemoryStore()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first:
        user = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        await user.run("kept=yes")
        left = await user.again()
    run = attrs.evolve(
        left.runs[-1], number=2, after=left.runs[-1].until, until=0, ended_at=None, reason=None
    )
    size = len(frame_of("touch begun", "0" * 32, interactive=True))
    recorded = attrs.evolve(
        left,
        runs=(*left.runs, run),
        secret="0" * 32,
        sent_before=left.sent_bytes,
        sent_bytes=left.sent_bytes + size,
    )
    await records.save(store, recorded)
    async with open_host(
        local_agent.connect,
        local_agent.token,
        claim=False,
        store=store,
        instance="i_second",
        shell_limits=QUICK,
    ) as second:
        second.dead.add("i_first")
        user = User(host=second, shell=user.shell)
        ran = await user.rest(run)
        assert (ran.run.reason, ran.run.exit_code, ran.run.shell_kept) == (RunReason.LOST, None, True)
        assert (await user.run("echo $kept; ls")).out == b"yes\n"


async def test_another_living_host_runs_types_and_cancels_too(local_agent: LocalAgent):
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first,
        open_host(
            local_agent.connect,
            local_agent.token,
            claim=False,
            store=store,
            instance="i_second",
            shell_limits=QUICK,
        ) as second,
        serving(first),
    ):
        mine = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        begun = await first.shells.run(mine.shell.id, "echo seen")
        assert (await User(host=second, shell=mine.shell).rest(begun)).out == b"seen\n"
        theirs = User(host=second, shell=mine.shell)
        assert (await theirs.run("kept=yes; echo from there")).out == b"from there\n"
        assert (await mine.run("echo $kept")).out == b"yes\n"
        reading = await second.shells.run(mine.shell.id, "read word; echo =$word=", interactive=True)
        await second.shells.input(mine.shell.id, b"typed\n")
        assert (await theirs.rest(reading)).out == b"=typed=\n"
        await second.shells.run(mine.shell.id, "sleep 600")
        with pytest.raises(ShellBusy):
            await second.shells.run(mine.shell.id, "echo")
        cancelled = await second.shells.cancel(mine.shell.id)
        assert cancelled is not None
        assert cancelled.reason is RunReason.CANCELLED
        assert await second.shells.cancel(mine.shell.id) is None
        with pytest.raises(ShellIdle):
            await second.shells.input(mine.shell.id, b"nobody reads\n")
        assert (await second.shells.close(mine.shell.id)).state is ShellState.ENDED


async def test_a_run_whose_caller_went_away_is_interrupted_through_another_host(local_agent: LocalAgent):
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first,
        open_host(
            local_agent.connect,
            local_agent.token,
            claim=False,
            store=store,
            instance="i_second",
            shell_limits=QUICK,
        ) as second,
        serving(first),
    ):
        shell_id = (await first.shells.open(CONTAINER_ID)).id
        theirs = User(host=second, shell=await second.shells.get(shell_id))
        begun = await second.shells.run(shell_id, "sleep 300")
        second.shells.interrupt_soon(shell_id, run=begun.number)
        ran = await theirs.rest(begun)
        assert (ran.run.reason, ran.run.shell_kept) == (RunReason.CANCELLED, True)
        later = await second.shells.run(shell_id, "until [ -e go ]; do sleep 0.02; done; echo later")
        handled = len(first.requests)
        for host in (first, second):
            host.shells.interrupt_soon(shell_id, run=begun.number)
        await eventually(lambda: len(first.requests) > handled)
        (local_agent.workspace / "go").touch()
        assert (await theirs.rest(later)).out == b"later\n"


async def test_a_run_whose_caller_went_away_before_another_host_said_that_it_began_is_interrupted(
    local_agent: LocalAgent,
):
    store, taken, go = MemoryStore(), asyncio.Event(), asyncio.Event()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first,
        open_host(
            local_agent.connect,
            local_agent.token,
            claim=False,
            store=store,
            instance="i_second",
            shell_limits=QUICK,
        ) as second,
        asyncio.TaskGroup() as tasks,
    ):
        mine = User(host=first, shell=await first.shells.open(CONTAINER_ID))

        async def slowly(arguments: JsonObject, caller: Caller) -> JsonObject:
            taken.set()
            await go.wait()
            return await first.shells.serve(RUN, arguments, caller)

        handlers: dict[str, Handler] = {RUN: slowly, CANCEL: partial(first.shells.serve, CANCEL)}
        first.server = Server(store, SystemClock(), FORWARDING, tasks, "i_first", handlers)
        async with serving(first):
            calling = asyncio.create_task(second.shells.run(mine.shell.id, "sleep 300"))
            await taken.wait()
            calling.cancel()
            await asyncio.wait([calling])
            go.set()
            async with asyncio.timeout(10):
                while (begun := (await mine.again()).runs[-1]).number != 1:
                    await asyncio.sleep(0.005)
            ran = await mine.rest(begun)
            assert (ran.run.reason, ran.run.shell_kept) == (RunReason.CANCELLED, True)


async def test_a_run_that_cannot_be_given_up_is_in_nobodys_way(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token, shell_limits=QUICK) as host:
        host.shells.interrupt_soon("x_" + "0" * 20, run=1)
        assert await host.shells.list(CONTAINER_ID) == ()


async def test_a_shell_that_no_host_follows_any_more_is_refused_after_a_few_handovers(
    local_agent: LocalAgent,
):
    store = MemoryStore()
    async with (
        open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first,
        open_host(
            local_agent.connect,
            local_agent.token,
            claim=False,
            store=store,
            instance="i_second",
            shell_limits=QUICK,
        ) as second,
    ):
        mine = User(host=first, shell=await first.shells.open(CONTAINER_ID))
        asked = 0

        async def not_here(_arguments: JsonObject, _caller: Caller) -> JsonObject:
            nonlocal asked
            asked += 1
            raise elsewhere(mine.shell)

        async with asyncio.TaskGroup() as tasks:
            first.server = Server(store, SystemClock(), FORWARDING, tasks, "i_first", {RUN: not_here})
            async with serving(first):
                with pytest.raises(ShellElsewhere):
                    await second.shells.run(mine.shell.id, "echo")
        assert asked == HANDOVERS
        assert (await mine.run("echo still here")).out == b"still here\n"


async def test_a_cut_channel_neither_loses_nor_repeats_a_run(local_agent: LocalAgent):
    streams: list[ByteStream] = []

    async def connect() -> ByteStream:
        streams.append(await local_agent.connect())
        return streams[-1]

    async with open_host(connect, local_agent.token, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        for number in range(5):
            begun = await host.shells.run(user.shell.id, f"echo {number} >>told; cat told | tail -1")
            await streams[-1].close()
            assert (await user.rest(begun)).out == f"{number}\n".encode()
        assert (local_agent.workspace / "told").read_text() == "0\n1\n2\n3\n4\n"


async def test_a_shell_ends_with_its_agent(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token, shell_limits=QUICK) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        await user.run("kill -9 $$")
        await eventually(lambda: host.execs.running_here == 0)
        assert (await user.again()).state is ShellState.ENDED
