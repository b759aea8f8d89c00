"""Frames of an honest agent that cross what the host has just sent are no lies."""

import asyncio
from collections.abc import Sequence

import attrs
import pytest

from devbench_core.channel import filecalls, searchcalls
from devbench_core.channel.batch_messages import BatchResults
from devbench_core.channel.change_messages import LinesAt, Progress
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.codes import ByteOrder, Leave, Refusal, Scope
from devbench_core.channel.exec_messages import Cancel, EntryList, List, Resize, Signal
from devbench_core.channel.file_messages import (
    Abort,
    Data,
    Entries,
    FileError,
    FileFault,
    NodeType,
    ReadMeta,
    Stat,
    Stated,
    StatFile,
)
from devbench_core.channel.link import TAKE_OVERS_MAX, AgentLink
from devbench_core.channel.messages import Goodbye, Message, Refused
from devbench_core.channel.search_messages import (
    Find,
    Found,
    FoundEntry,
    GrepChanged,
    GrepFiles,
    GrepLines,
    GreppedFile,
    GreppedLine,
)
from devbench_core.channel.settings import ChannelLimits
from devbench_core.errors import AgentUnavailable
from harness.scripted_agent import TOKEN, Pipe, ScriptedAgent, duplex

STAT = Stat(type=NodeType.FILE, mode=0o644, size=10, mtime_ns=0, uid=0, gid=0, etag="e", target=b"")
LINE = GreppedLine(flags=1, number=1, offset=0, column=1, text_at=0, text=b"x")
NOT_THE_LAST: Sequence[Message] = (
    Data(data=b"x"),
    Entries(last=False, more=True, entries=()),
    EntryList(last=False, entries=()),
    Found(entries=(FoundEntry(path=b"f", stat=STAT),)),
    GrepFiles(files=(GreppedFile(path=b"f", stat=STAT, count=1),)),
    GrepLines(lines=(LINE,)),
    GrepChanged(),
    LinesAt(number=1, offset=0, order=ByteOrder.LITTLE),
    Progress(done=1),
    ReadMeta(stat=STAT),
    BatchResults(outcomes=()),
)


@pytest.mark.parametrize("frame", NOT_THE_LAST, ids=lambda frame: type(frame).__name__)
async def test_what_comes_for_a_request_that_was_given_up_is_dropped_until_its_end(frame: Message):
    host_end, agent_end = duplex()
    agent, asked = ScriptedAgent(agent_end), asyncio.Event()

    async def play() -> None:
        await agent.shake_hands()
        request = await agent.receive_a(Find)
        asked.set()
        await agent.receive_a(Abort)
        ending = FileError(code=FileFault.ABORTED, errno=0, etag="", message="")
        await agent.send(*(attrs.evolve(late, id=request.id) for late in (frame, frame, ending)))
        stat = await agent.receive_a(StatFile)
        await agent.send(Stated(id=stat.id, stat=STAT))

    playing = asyncio.create_task(asyncio.wait_for(play(), 5))
    async with AgentChannel.open(host_end, token=TOKEN, claim=False, instance="i_x") as channel:
        wanted = Find(id=0, path=b"", look=1000, types=15, limit=1000)
        finding = asyncio.create_task(searchcalls.find(channel, wanted))
        await asked.wait()
        finding.cancel()
        await asyncio.wait({finding})
        assert await filecalls.stat(channel, b"f") == STAT
        assert channel.is_open
    await playing


@pytest.mark.parametrize(
    "told",
    [Cancel(id=99, grace_ms=0), Signal(id=99, signal=15, scope=Scope.TREE), Resize(id=99, columns=8, rows=2)],
    ids=lambda told: type(told).__name__,
)
@pytest.mark.parametrize("code", [Refusal.NOT_FOUND, Refusal.INVALID])
async def test_a_refusal_of_what_was_told_to_the_command_of_another_host_is_no_lie(
    told: Message, code: Refusal
):
    host_end, agent_end = duplex()
    agent = ScriptedAgent(agent_end)

    async def play() -> None:
        await agent.shake_hands()
        heard = await agent.receive_a(type(told))  # acknowledged by its host since this one looked
        await agent.send(Refused(id=heard.id, type=heard.TYPE, code=code, message=""))
        stat = await agent.receive_a(StatFile)
        await agent.send(Stated(id=stat.id, stat=STAT))

    playing = asyncio.create_task(asyncio.wait_for(play(), 5))
    async with AgentChannel.open(host_end, token=TOKEN, claim=False, instance="i_x") as channel:
        channel.post(told)
        assert await filecalls.stat(channel, b"f") == STAT
        assert channel.is_open
    await playing


@pytest.mark.parametrize("takeovers", [0, 1, 2, 3])
async def test_what_the_agent_holds_is_asked_again_when_another_host_takes_over_meanwhile(takeovers: int):
    asked = 0

    async def play(agent: ScriptedAgent) -> None:
        nonlocal asked
        await agent.shake_hands()
        question = await agent.receive_a(List)
        asked += 1
        if asked > takeovers:
            await agent.send(EntryList(id=question.id, last=True, entries=()))
        else:
            await agent.send(Goodbye(reason=Leave.TAKEN_OVER))
            await agent.stream.close()

    async with asyncio.TaskGroup() as tasks:

        async def connect() -> Pipe:
            host_end, agent_end = duplex()
            tasks.create_task(play(ScriptedAgent(agent_end)))
            return host_end

        link = AgentLink(
            connect=connect, token=TOKEN, claim=False, instance="i_x", limits=ChannelLimits(), tasks=tasks
        )
        if takeovers <= TAKE_OVERS_MAX:
            assert await link.find(lambda _: True) is None
        else:
            with pytest.raises(AgentUnavailable):
                await link.find(lambda _: True)
        assert asked == min(takeovers, TAKE_OVERS_MAX) + 1
        await link.aclose()
