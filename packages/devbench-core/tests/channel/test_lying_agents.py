"""An agent that lies closes its own channel with a clear error, and hurts nobody else."""

import asyncio
from collections.abc import Sequence

import attrs
import pytest

from devbench_core.channel import filecalls
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.codec import HEADER
from devbench_core.channel.codes import EndedBy, Failure, Fault, Refusal, RunState, Source
from devbench_core.channel.exec_messages import (
    Detached,
    Ended,
    Entry,
    EntryList,
    Failed,
    Gap,
    List,
    Output,
    Resumed,
    Start,
    Started,
    StdinCredit,
)
from devbench_core.channel.execstream import ExecStream
from devbench_core.channel.file_messages import (
    Data,
    Dir,
    Entries,
    Named,
    NodeType,
    Read,
    ReadEnd,
    ReadMeta,
    Stat,
    Stated,
    StatFile,
)
from devbench_core.channel.messages import Error, Message, Ping, Refused
from devbench_core.channel.settings import ChannelLimits
from devbench_core.channel.stdin import StdinBuffer
from devbench_core.errors import AgentMisbehaved, AgentUnavailable
from harness.scripted_agent import TOKEN, ScriptedAgent, duplex

WINDOW = 65_536
STAT = Stat(type=NodeType.FILE, mode=0o644, size=10, mtime_ns=0, uid=0, gid=0, etag="e", target=b"")
ENDED = Ended(
    reason=EndedBy.EXITED,
    exit_code=0,
    signal=0,
    core_dumped=False,
    wall_us=1,
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


@attrs.define
class Sink:
    """Remembers what it was told."""

    told: list[str] = attrs.field(factory=list[str])

    def started(self) -> None:
        self.told.append("started")

    def failed(self, ending: Failed) -> None:
        self.told.append(f"failed {ending.code.name}")

    def refused(self, reply: Refused) -> None:
        self.told.append(f"refused {reply.code.name}")

    def output(self, end: int, stream: int, data: bytes) -> None:
        self.told.append(f"output {end} {stream} {len(data)}")

    def gap(self, start: int, end: int) -> None:
        self.told.append(f"gap {start} {end}")

    def ended(self, ending: Ended) -> None:
        self.told.append("ended")

    def detached(self) -> None:
        self.told.append("detached")

    def lost(self, reason: str) -> None:
        self.told.append(f"lost {reason}")


def output(offset: int, size: int = 1) -> Output:
    return Output(offset=offset, stream=Source.STDOUT, data=b"x" * size)


STARTED = Started(pid=7)
LIES: dict[str, Sequence[Message]] = {
    "output for a command that nobody started": [
        STARTED,
        Output(id=99, offset=0, stream=Source.STDOUT, data=b"x"),
    ],
    "output that goes back": [STARTED, output(0, 10), output(5, 10)],
    "output that jumps": [STARTED, output(0, 10), output(11, 10)],
    "output beyond the window": [STARTED, output(0, WINDOW), output(WINDOW, 1)],
    "an ending before the last output": [STARTED, attrs.evolve(ENDED, output_end=5)],
    "a second ending": [STARTED, ENDED, ENDED],
    "output after the ending": [STARTED, ENDED, output(0)],
    "an ending of what never started": [ENDED],
    "a second start": [STARTED, STARTED],
    "a failure after output": [STARTED, output(0), Failed(code=Failure.OTHER, errno=0, message="")],
    "a gap that goes back": [STARTED, output(0, 10), Gap(start=5, end=20)],
    "an empty gap": [STARTED, Gap(start=0, end=0)],
    "a gap beyond any output": [STARTED, Gap(start=0, end=2**64 - 1)],
    "credit beyond any input": [STARTED, StdinCredit(limit=2**63, closed=False)],
    "an exit code that cannot be": [STARTED, attrs.evolve(ENDED, exit_code=256)],
    "a signal that cannot be": [STARTED, attrs.evolve(ENDED, signal=65)],
    "credit for input that goes back": [STARTED, StdinCredit(limit=1, closed=False)],
    "a resumption that nobody asked for": [
        Resumed(
            state=RunState.RUNNING,
            pid=1,
            first=0,
            next=0,
            stdin_next=0,
            stdin_limit=0,
            stdin_closed=True,
            key="k",
        )
    ],
    "a reply to no request": [Stated(id=12, stat=STAT)],
    "a listing that nobody asked for": [EntryList(id=3, last=True, entries=())],
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_closes_the_channel(lie: str):
    host_end, agent_end = duplex()
    agent, sink = ScriptedAgent(agent_end), Sink()
    last_words: list[Message] = []

    async def play() -> None:
        await agent.shake_hands()
        start = await agent.receive_a(Start)
        await agent.send(*(m if m.id else attrs.evolve(m, id=start.id) for m in LIES[lie]))
        last_words.append(await agent.receive_a(Error))

    playing = asyncio.create_task(asyncio.wait_for(play(), 5))
    async with AgentChannel.open(host_end, token=TOKEN, claim=False, instance="i_x") as channel:
        stream = ExecStream(
            Start(key="k", flags=0, argv=(b"x",)),
            sink,
            window_bytes=WINDOW,
            stdin=StdinBuffer(b"", complete=False),
        )
        channel.begin(stream)
        error = await asyncio.wait_for(channel.wait_closed(), 5)
        assert isinstance(error, AgentMisbehaved)
        assert "broke the protocol" in error.message
        with pytest.raises(AgentMisbehaved):
            await channel.list_execs()
    await playing
    assert isinstance(last_words[0], Error)
    assert last_words[0].code is (Fault.MALFORMED if "beyond any" in lie else Fault.UNEXPECTED)


async def answer_with(
    *replies: Message, request: type[Message]
) -> tuple[ScriptedAgent, "asyncio.Task[None]", object]:
    host_end, agent_end = duplex()
    agent = ScriptedAgent(agent_end)

    async def play() -> None:
        await agent.shake_hands()
        asked = await agent.receive_a(request)
        for reply in replies:
            await agent.send(attrs.evolve(reply, id=asked.id))
            await asyncio.sleep(0)

    return agent, asyncio.create_task(asyncio.wait_for(play(), 5)), host_end


def named(name: bytes) -> Named:
    return Named(name=name, stat=STAT)


READ_LIES: dict[str, Sequence[Message]] = {
    "data before the description": [Data(data=b"x")],
    "two descriptions": [ReadMeta(stat=STAT), ReadMeta(stat=STAT)],
    "more data than was asked for": [ReadMeta(stat=STAT), Data(data=b"x" * 11)],
    "an end too early": [ReadMeta(stat=STAT), Data(data=b"x"), ReadEnd(eof=False, changed=False)],
    "the answer to another question": [Stated(stat=STAT)],
    "two answers": [ReadMeta(stat=STAT), ReadEnd(eof=True, changed=False), ReadEnd(eof=True, changed=False)],
}


@pytest.mark.parametrize("lie", READ_LIES)
async def test_a_lie_about_a_file_closes_the_channel(lie: str):
    _, playing, stream = await answer_with(*READ_LIES[lie], request=Read)
    async with AgentChannel.open(stream, token=TOKEN, claim=False, instance="i_x") as channel:  # pyright: ignore[reportArgumentType]
        if lie == "two answers":
            await filecalls.read(channel, b"f", offset=0, max_bytes=10)
        else:
            with pytest.raises(AgentMisbehaved):
                await filecalls.read(channel, b"f", offset=0, max_bytes=10)
        assert isinstance(await asyncio.wait_for(channel.wait_closed(), 5), AgentMisbehaved)
    await playing


DIR_LIES: dict[str, Sequence[Message]] = {
    "names out of order": [Entries(last=True, more=False, entries=(named(b"b"), named(b"a")))],
    "names before the cursor": [Entries(last=True, more=False, entries=(named(b"A"),))],
    "a name with a slash": [Entries(last=True, more=False, entries=(named(b"b/c"),))],
    "more names than were asked for": [
        Entries(last=True, more=False, entries=(named(b"b"), named(b"c"), named(b"d")))
    ],
    "an endless listing": [
        Entries(last=False, more=True, entries=(named(b"b" + bytes([65 + i])),)) for i in range(3)
    ],
}


@pytest.mark.parametrize("lie", DIR_LIES)
async def test_a_lie_about_a_folder_closes_the_channel(lie: str):
    _, playing, stream = await answer_with(*DIR_LIES[lie], request=Dir)
    async with AgentChannel.open(stream, token=TOKEN, claim=False, instance="i_x") as channel:  # pyright: ignore[reportArgumentType]
        with pytest.raises(AgentMisbehaved):
            await filecalls.list_dir(channel, b"", after=b"a", limit=2)
    await playing


async def test_an_endless_list_of_commands_closes_the_channel():
    entry = Entry(handle=1, state=RunState.RUNNING, pid=1, first=0, next=0, key="k")
    parts = [EntryList(last=False, entries=(entry,) * 1000)] * 6
    _, playing, stream = await answer_with(*parts, request=List)
    async with AgentChannel.open(stream, token=TOKEN, claim=False, instance="i_x") as channel:  # pyright: ignore[reportArgumentType]
        with pytest.raises(AgentMisbehaved, match="endless"):
            await channel.list_execs()
    await playing


async def test_malformed_bytes_close_the_channel_and_say_so():
    host_end, agent_end = duplex()
    agent = ScriptedAgent(agent_end)
    words: list[Message] = []

    async def play() -> None:
        await agent.shake_hands()
        await agent.stream.write(HEADER.pack(2**31, Output.TYPE, 0, 1))
        words.append(await agent.receive_a(Error))

    playing = asyncio.create_task(asyncio.wait_for(play(), 5))
    async with AgentChannel.open(host_end, token=TOKEN, claim=False, instance="i_x") as channel:
        assert isinstance(await channel.wait_closed(), AgentMisbehaved)
    await playing
    assert isinstance(words[0], Error)
    assert words[0].code is Fault.TOO_LARGE


async def test_endless_pings_of_an_agent_that_does_not_read_end_its_channel():
    host_end, agent_end = duplex()
    agent = ScriptedAgent(agent_end)
    stuck = asyncio.Event()

    async def never_accepted(data: bytes) -> None:
        await stuck.wait()

    async def play() -> None:
        await agent.shake_hands()
        host_end.write = never_accepted  # type: ignore[method-assign]
        for _ in range(3000):
            await agent.send(*[Ping(data=b"p" * 64)] * 20)
            await asyncio.sleep(0)

    playing = asyncio.create_task(asyncio.wait_for(play(), 20))
    limits = ChannelLimits(queue_bytes=65_536)
    async with AgentChannel.open(
        host_end, token=TOKEN, claim=False, instance="i_x", limits=limits
    ) as channel:
        error = await asyncio.wait_for(channel.wait_closed(), 20)
        assert isinstance(error, AgentUnavailable)
        assert "does not read" in error.message
        stuck.set()
    await asyncio.gather(playing, return_exceptions=True)


async def test_frames_that_cross_an_ending_are_ignored():
    host_end, agent_end = duplex()
    agent, sink = ScriptedAgent(agent_end), Sink()

    async def play() -> None:
        await agent.shake_hands()
        start = await agent.receive_a(Start)
        await agent.send(
            Started(id=start.id, pid=1),
            Detached(id=start.id),
            Refused(id=start.id, type=0x1F, code=Refusal.NOT_FOUND, message=""),
            StdinCredit(id=start.id, limit=99_999, closed=True),
        )
        asked = await agent.receive_a(StatFile)
        await agent.send(Stated(id=asked.id, stat=STAT))

    playing = asyncio.create_task(asyncio.wait_for(play(), 5))
    async with AgentChannel.open(host_end, token=TOKEN, claim=False, instance="i_x") as channel:
        channel.begin(ExecStream(Start(key="k", flags=0, argv=(b"x",)), sink, window_bytes=WINDOW))
        assert (await filecalls.stat(channel, b"f")) == STAT
        assert channel.is_open
    await playing
    assert sink.told == ["started", "detached"]


@pytest.mark.parametrize("last", ["detached", "ended"])
async def test_what_a_command_says_that_this_host_let_go_of_is_dropped_until_its_last_word(last: str):
    host_end, agent_end = duplex()
    agent, sink = ScriptedAgent(agent_end), Sink()

    async def play() -> None:
        await agent.shake_hands()
        start = await agent.receive_a(Start)
        await agent.send(Started(id=start.id, pid=1))
        asked = await agent.receive_a(StatFile)
        for offset in range(3):
            await agent.send(Output(id=start.id, offset=offset, stream=Source.STDOUT, data=b"x"))
        await agent.send(Detached(id=start.id) if last == "detached" else attrs.evolve(ENDED, id=start.id))
        await agent.send(Stated(id=asked.id, stat=STAT))
        await agent.receive_a(StatFile)
        await agent.send(Output(id=start.id, offset=3, stream=Source.STDOUT, data=b"x"))

    playing = asyncio.create_task(asyncio.wait_for(play(), 5))
    async with AgentChannel.open(host_end, token=TOKEN, claim=False, instance="i_x") as channel:
        stream = ExecStream(Start(key="k", flags=0, argv=(b"x",)), sink, window_bytes=WINDOW)
        channel.begin(stream)
        async with asyncio.timeout(5):
            while "started" not in sink.told:
                await asyncio.sleep(0)
        stream.abandon()
        assert (await filecalls.stat(channel, b"f")) == STAT
        with pytest.raises(AgentMisbehaved):  # nothing can follow that
            await filecalls.stat(channel, b"f")
    await playing
    assert sink.told == ["started"]


async def test_a_handle_that_another_host_uses_is_passed_over():
    host_end, agent_end = duplex()
    agent, sink = ScriptedAgent(agent_end), Sink()

    async def play() -> None:
        await agent.shake_hands()
        first = await agent.receive_a(Start)
        await agent.send(Refused(id=first.id, type=Start.TYPE, code=Refusal.EXISTS, message=""))
        second = await agent.receive_a(Start)
        assert second.id != first.id
        await agent.send(Started(id=second.id, pid=1), attrs.evolve(ENDED, id=second.id))

    playing = asyncio.create_task(asyncio.wait_for(play(), 5))
    async with AgentChannel.open(host_end, token=TOKEN, claim=False, instance="i_x") as channel:
        channel.begin(ExecStream(Start(key="k", flags=0, argv=(b"x",)), sink, window_bytes=WINDOW))
        await playing
        async with asyncio.timeout(5):
            while "ended" not in sink.told:
                await asyncio.sleep(0)
    assert sink.told == ["started", "ended"]
