"""What becomes of commands when the agent refuses, lies, forgets, or is another one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import pytest

from devbench_core.channel import link
from devbench_core.channel.codes import EndedBy, Failure, Refusal, RunState, Source
from devbench_core.channel.exec_messages import (
    Cancel,
    Detached,
    Ended,
    EndedAck,
    Entry,
    EntryList,
    Failed,
    Gap,
    List,
    Output,
    Resume,
    Resumed,
    Start,
    Started,
)
from devbench_core.channel.messages import Goodbye, Message, Refused
from devbench_core.channel.settings import ChannelLimits
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable, TimedOut
from devbench_core.execs import records
from devbench_core.execs.settings import ExecLimits
from devbench_core.model.execution import Exec, ExecReason, ExecRequest, ExecState, Usage
from harness.agent_host import CONTAINER_ID, Host, open_host
from harness.scripted_agent import TOKEN, ScriptedAgent, duplex

QUICK = ChannelLimits(
    reopen_first_s=0.01, reopen_max_s=0.02, reopen_give_up_s=0.3, request_timeout_s=0.3, connect_timeout_s=2
)
LIMITS = ExecLimits(cancel_timeout_s=0.1, grace_s=0.1)
Part = Callable[[ScriptedAgent], Awaitable[None]]
REQUEST = ExecRequest(argv=("x",))
keys: list[str] = []  # of the command that the agent was told last
ENDED = Ended(
    reason=EndedBy.EXITED,
    exit_code=0,
    signal=0,
    core_dumped=False,
    wall_us=1_500_000,
    user_us=1,
    system_us=1,
    max_rss_bytes=1,
    voluntary_switches=1,
    involuntary_switches=0,
    read_bytes=0,
    written_bytes=0,
    output_end=0,
    leftovers=0,
    message="",
)


@asynccontextmanager
async def host_against(*parts: Part) -> AsyncGenerator[Host]:
    """A host whose n-th channel meets the n-th part of an agent; later ones find nobody."""
    playing: list[asyncio.Task[None]] = []
    waiting = list(parts)

    async def play(part: Part, agent: ScriptedAgent) -> None:
        await agent.shake_hands()
        await part(agent)

    async def connect() -> ByteStream:
        if not waiting:
            raise AgentUnavailable("nobody is there")
        host_end, agent_end = duplex()
        agent = ScriptedAgent(agent_end)
        playing.append(asyncio.create_task(asyncio.wait_for(play(waiting.pop(0), agent), 20)))
        return host_end

    async with open_host(connect, TOKEN, claim=False, channel_limits=QUICK, exec_limits=LIMITS) as host:
        try:
            yield host
        finally:
            for task in playing:
                task.cancel()
            await asyncio.gather(*playing, return_exceptions=True)


async def ending_of(host: Host, exec_id: str) -> Exec:
    record = await host.execs.wait(exec_id, wait_s=20)
    assert record.ending is not None
    assert not host.execs.running_here
    assert len([e for e in host.told("exec.ended") if e.exec_id == exec_id]) == 1
    return record


def answering(*replies: Message) -> Part:
    async def part(agent: ScriptedAgent) -> None:
        start = await agent.receive_a(Start)
        await agent.send(*(attrs.evolve(reply, id=start.id) for reply in replies))
        await agent.receive_a(EndedAck)

    return part


@pytest.mark.parametrize(
    ("code", "failure"), [(Refusal.TOO_MANY, "no_resources"), (Refusal.INVALID, "other")]
)
async def test_a_refused_start_is_a_command_that_failed_to_start(code: Refusal, failure: str):
    refusal = Refused(type=Start.TYPE, code=code, message="sorry")
    async with host_against(answering(refusal)) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        assert started.ending is not None
        assert (started.ending.reason, started.ending.failure) == (ExecReason.FAILED_TO_START, failure)
        assert "sorry" in started.ending.message
        assert not host.execs.running_here


@pytest.mark.parametrize("failure", list(Failure))
async def test_each_failure_to_start_has_a_name(failure: Failure):
    async with host_against(answering(Failed(code=failure, errno=1, message="why"))) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        assert started.ending is not None
        assert started.ending.failure == failure.name.lower()
        assert "why" in started.ending.message


@pytest.mark.parametrize(
    ("ended", "reason", "exit_code", "signal"),
    [
        (attrs.evolve(ENDED, exit_code=255), ExecReason.EXITED, 255, None),
        (
            attrs.evolve(ENDED, reason=EndedBy.SIGNALED, exit_code=2**32 - 1, signal=11),
            ExecReason.SIGNALED,
            None,
            11,
        ),
        (attrs.evolve(ENDED, reason=EndedBy.TIMED_OUT, signal=15), ExecReason.TIMED_OUT, None, 15),
        (attrs.evolve(ENDED, reason=EndedBy.CANCELLED, signal=9), ExecReason.CANCELLED, None, 9),
        (attrs.evolve(ENDED, reason=EndedBy.LOST), ExecReason.LOST, None, None),
    ],
)
async def test_each_ending_is_told_as_it_was(ended: Ended, reason: ExecReason, exit_code: int, signal: int):
    async with host_against(answering(Started(pid=1), ended)) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        ending = (await ending_of(host, started.id)).ending
        assert ending is not None
        assert (ending.reason, ending.exit_code, ending.signal) == (reason, exit_code, signal)
        assert ending.usage is not None
        assert ending.usage.wall_s == 1.5


async def test_usage_that_the_kernel_does_not_tell_is_absent():
    nothing = 2**64 - 1
    ended = attrs.evolve(
        ENDED, user_us=nothing, max_rss_bytes=nothing, read_bytes=nothing, written_bytes=nothing
    )
    async with host_against(answering(Started(pid=1), ended)) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        ending = (await ending_of(host, started.id)).ending
        assert ending is not None
        assert ending.usage == Usage(
            wall_s=1.5, system_s=0.000001, voluntary_switches=1, involuntary_switches=0
        )


async def test_left_processes_are_mentioned():
    async with host_against(answering(Started(pid=1), attrs.evolve(ENDED, leftovers=2))) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        ending = (await ending_of(host, started.id)).ending
        assert ending is not None
        assert ending.message == "2 of its processes were left"


async def test_lost_output_is_a_chunk_that_says_how_much():
    out = Output(offset=10, stream=Source.STDOUT, data=b"tail")
    replies = (Started(pid=1), Gap(start=0, end=10), out, attrs.evolve(ENDED, output_end=14))
    async with host_against(answering(*replies)) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        await ending_of(host, started.id)
        page = await host.execs.poll(started.id)
        assert [(c.lost_bytes, c.data) for c in page.chunks] == [(10, b""), (0, b"tail")]


async def lie_first(agent: ScriptedAgent) -> None:
    start = await agent.receive_a(Start)
    keys[:] = [start.key]
    await agent.send(
        Started(id=start.id, pid=1), Output(id=start.id, offset=7, stream=Source.STDOUT, data=b"x")
    )
    await agent.receive_a(EndedAck)


async def lie_again(agent: ScriptedAgent) -> None:
    asked = await agent.receive_a(List)
    entry = Entry(handle=1, state=RunState.RUNNING, pid=1, first=0, next=0, key=keys[0])
    await agent.send(EntryList(id=asked.id, last=True, entries=(entry,)))
    resume = await agent.receive_a(Resume)
    await agent.send(attrs.evolve(ENDED, id=resume.id), attrs.evolve(ENDED, id=resume.id))
    await agent.receive_a(EndedAck)


async def test_an_agent_that_goes_on_lying_loses_its_commands():
    async with host_against(lie_first, lie_again, lie_again, lie_again) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        ending = (await ending_of(host, started.id)).ending
        assert ending is not None
        assert ending.reason is ExecReason.LOST
        assert "broke the protocol" in ending.message


async def test_lies_of_channels_that_served_well_before_lose_no_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(link, "SERVED_WELL_S", 0.0)
    honest = resuming(attrs.evolve(ENDED, exit_code=4))
    async with host_against(lie_first, lie_again, lie_again, lie_again, honest) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        ending = (await ending_of(host, started.id)).ending
        assert ending is not None
        assert (ending.reason, ending.exit_code) == (ExecReason.EXITED, 4)


async def forgetful(agent: ScriptedAgent) -> None:
    asked = await agent.receive_a(List)
    await agent.send(EntryList(id=asked.id, last=True, entries=()))
    await agent.receive_a(EndedAck)


async def starting_then_leaving(agent: ScriptedAgent) -> None:
    start = await agent.receive_a(Start)
    await agent.send(Started(id=start.id, pid=1))
    await agent.stream.close()


async def test_a_command_that_the_agent_forgot_is_lost():
    async with host_against(starting_then_leaving, forgetful) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        ending = (await ending_of(host, started.id)).ending
        assert ending is not None
        assert (ending.reason, "does not know it" in ending.message) == (ExecReason.LOST, True)


async def test_another_life_of_the_agent_loses_the_commands_of_the_first(monkeypatch: pytest.MonkeyPatch):
    async def reborn(agent: ScriptedAgent) -> None:
        await agent.receive_a(EndedAck)

    async with host_against(starting_then_leaving, reborn) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        monkeypatch.setattr("harness.scripted_agent.BOOT_ID", b"B" * 16)
        ending = (await ending_of(host, started.id)).ending
        assert ending is not None
        assert (ending.reason, "started anew" in ending.message) == (ExecReason.LOST, True)


def resuming(*replies: Message, state: RunState = RunState.RUNNING, refusal: Refused | None = None) -> Part:
    async def part(agent: ScriptedAgent) -> None:
        asked = await agent.receive_a(List)
        entry = Entry(handle=9, state=RunState.RUNNING, pid=1, first=0, next=0, key=keys[0])
        await agent.send(EntryList(id=asked.id, last=True, entries=(entry,)))
        resume = await agent.receive_a(Resume)
        resumed = Resumed(
            id=9,
            state=state,
            pid=1,
            first=0,
            next=resume.offset,
            stdin_next=0,
            stdin_limit=0,
            stdin_closed=True,
            key=keys[0],
        )
        await agent.send(refusal or resumed, *(attrs.evolve(reply, id=9) for reply in replies))
        await agent.receive_a(EndedAck)

    return part


async def remember_and_leave(agent: ScriptedAgent) -> None:
    start = await agent.receive_a(Start)
    keys[:] = [start.key]
    await agent.send(Started(id=start.id, pid=1))
    await agent.stream.close()


@pytest.mark.parametrize(
    ("part", "why"),
    [
        (resuming(state=RunState.LEFTOVERS), "acknowledged by another host"),
        (
            resuming(refusal=Refused(id=9, type=Resume.TYPE, code=Refusal.NOT_FOUND, message="")),
            "cannot resume",
        ),
    ],
)
async def test_a_command_that_cannot_be_resumed_is_lost(part: Part, why: str):
    async with host_against(remember_and_leave, part) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        ending = (await ending_of(host, started.id)).ending
        assert ending is not None
        assert (ending.reason, why in ending.message) == (ExecReason.LOST, True)


async def test_an_ending_after_a_resumption_is_the_true_one():
    async with host_against(remember_and_leave, resuming(attrs.evolve(ENDED, exit_code=4))) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        ending = (await ending_of(host, started.id)).ending
        assert ending is not None
        assert ending.exit_code == 4


async def test_a_command_that_another_host_took_over_is_followed_in_the_store():
    async with host_against(answering(Started(pid=1), Detached())) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        while host.execs.running_here:
            await asyncio.sleep(0)
        found = await host.store.get(records.KIND, started.id)
        assert found is not None
        await records.save(host.store, attrs.evolve(records.read(found), instance="i_other"))
        assert (await host.execs.wait(started.id, wait_s=0.05)).ending is None
        assert host.told("exec.ended") == []


async def test_an_agent_that_does_not_answer_for_a_command_leaves_it_to_the_next_who_asks():
    async def silent(agent: ScriptedAgent) -> None:
        await agent.receive_a(List)
        await agent.receive_a(EndedAck)  # which never comes

    async with host_against(silent) as host:
        record = Exec(
            id="x_" + "1" * 20,
            container_id=CONTAINER_ID,
            tenant="default",
            created_by="local",
            argv=("x",),
            state=ExecState.RUNNING,
            created_at=host.container.created_at,
            instance="i_dead",
        )
        await records.save(host.store, record)
        host.dead.add("i_dead")
        with pytest.raises(TimedOut):
            await host.execs.get(record.id)
        assert host.execs.running_here == 0
        found = await host.store.get(records.KIND, record.id)
        assert found is not None
        assert records.read(found).ending is None


async def test_a_start_that_is_never_answered_times_out_and_is_cancelled_when_it_comes():
    cancelled = asyncio.Event()

    async def late(agent: ScriptedAgent) -> None:
        start = await agent.receive_a(Start)
        await asyncio.sleep(0.5)
        await agent.send(Started(id=start.id, pid=1))
        await agent.receive_a(Cancel)
        await agent.send(attrs.evolve(ENDED, id=start.id, reason=EndedBy.CANCELLED, signal=15))
        cancelled.set()
        await agent.receive_a(EndedAck)

    async with host_against(late) as host:
        with pytest.raises(TimedOut) as caught:
            await host.execs.start(CONTAINER_ID, REQUEST)
        await asyncio.wait_for(cancelled.wait(), 10)
        ending = (await ending_of(host, str(caught.value.details["exec_id"]))).ending
        assert ending is not None
        assert ending.reason is ExecReason.CANCELLED


async def test_a_program_that_is_known_to_run_only_late_is_recorded_as_running():
    async def late(agent: ScriptedAgent) -> None:
        start = await agent.receive_a(Start)
        await asyncio.sleep(0.5)
        await agent.send(Started(id=start.id, pid=1))
        await agent.receive_a(EndedAck)

    async with host_against(late) as host:
        with pytest.raises(TimedOut) as caught:
            await host.execs.start(CONTAINER_ID, REQUEST)
        async with asyncio.timeout(10):
            found = None
            while found is None or records.read(found).started_at is None:
                found = await host.store.get(records.KIND, str(caught.value.details["exec_id"]))
                await asyncio.sleep(0.01)


async def test_a_command_that_is_resumed_before_it_was_known_to_run_goes_on():
    async def leaving(agent: ScriptedAgent) -> None:
        start = await agent.receive_a(Start)
        keys[:] = [start.key]
        await agent.stream.close()

    async def going_on(agent: ScriptedAgent) -> None:
        asked = await agent.receive_a(List)
        entry = Entry(handle=9, state=RunState.RUNNING, pid=0, first=0, next=0, key=keys[0])
        await agent.send(EntryList(id=asked.id, last=True, entries=(entry,)))
        await agent.receive_a(Resume)
        resumed = Resumed(
            id=9, state=RunState.RUNNING, pid=0, first=0, next=0,
            stdin_next=0, stdin_limit=0, stdin_closed=True, key=keys[0],
        )  # fmt: skip
        await agent.send(resumed, Started(id=9, pid=1), attrs.evolve(ENDED, id=9, exit_code=6))
        await agent.receive_a(EndedAck)

    async with host_against(leaving, going_on) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        ending = (await ending_of(host, started.id)).ending
        assert ending is not None
        assert (ending.reason, ending.exit_code) == (ExecReason.EXITED, 6)


async def test_a_cancel_that_does_not_end_it_in_time_says_so():
    async def stubborn(agent: ScriptedAgent) -> None:
        start = await agent.receive_a(Start)
        await agent.send(Started(id=start.id, pid=1))
        await agent.receive_a(EndedAck)

    async with host_against(stubborn) as host:
        started = await host.execs.start(CONTAINER_ID, REQUEST)
        with pytest.raises(TimedOut, match="did not end"):
            await host.execs.cancel(started.id)


async def test_an_agent_that_shuts_down_is_said_to():
    async def leaving(agent: ScriptedAgent) -> None:
        await agent.send(Goodbye(reason=3, message="bye"))  # pyright: ignore[reportArgumentType]

    async with host_against(leaving) as host:
        channel = await host.link.channel()
        error = await channel.wait_closed()
        assert "shutting down" in error.message
