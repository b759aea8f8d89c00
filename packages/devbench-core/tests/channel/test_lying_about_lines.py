"""An agent that lies about lines closes its own channel; one that says that it goes on may take its time."""

import asyncio
from collections.abc import Sequence

import attrs
import pytest

from devbench_core.channel import changecalls
from devbench_core.channel.change_messages import (
    Copied,
    Copy,
    LinesAt,
    PairFlag,
    Progress,
    ReadLines,
)
from devbench_core.channel.channel import AgentChannel
from devbench_core.channel.codes import ByteOrder
from devbench_core.channel.file_messages import Data, NodeType, ReadEnd, ReadMeta, Stat
from devbench_core.channel.linereply import LinesAsked
from devbench_core.channel.messages import Message
from devbench_core.channel.settings import ChannelLimits
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentMisbehaved, TimedOut
from harness.scripted_agent import TOKEN, ScriptedAgent, duplex

STAT = Stat(type=NodeType.FILE, mode=0o644, size=10, mtime_ns=0, uid=0, gid=0, etag="e", target=b"")
META = ReadMeta(stat=STAT)
AT = LinesAt(number=2, offset=3, order=ByteOrder.LITTLE)
END = ReadEnd(eof=False, changed=False)
ASKED = LinesAsked(first=2, count=1, most=10, width=1, order=ByteOrder.LITTLE)

LIES: dict[str, Sequence[Message]] = {
    "a place before the description": [AT],
    "two places": [META, AT, AT],
    "data before the place": [META, Data(data=b"x\n")],
    "no place": [META, END],
    "a place beyond any file": [META, attrs.evolve(AT, offset=2**63)],
    "a line behind the one that was asked for": [META, attrs.evolve(AT, number=3)],
    "no number though it was counted": [META, attrs.evolve(AT, number=0)],
    "an order that is none": [META, attrs.evolve(AT, order=ByteOrder.BY_MARK)],
    "more bytes than were asked for": [META, AT, Data(data=b"x" * 11)],
    "more lines than were asked for": [META, AT, Data(data=b"x\ny\n"), END],
    "an end too early": [META, AT, Data(data=b"x"), END],
    "the answer to another question": [Copied(created=True, entries=1, bytes=1, skipped=0, stat=STAT)],
}


async def play(
    stream: ByteStream, request: type[Message], replies: Sequence[Message], every_s: float
) -> None:
    agent = ScriptedAgent(stream)  # pyright: ignore[reportArgumentType]
    await agent.shake_hands()
    asked = await agent.receive_a(request)
    for reply in replies:
        await asyncio.sleep(every_s)
        await agent.send(attrs.evolve(reply, id=asked.id))


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_about_lines_closes_the_channel(lie: str):
    host_end, agent_end = duplex()
    playing = asyncio.create_task(asyncio.wait_for(play(agent_end, ReadLines, LIES[lie], 0), 5))
    async with AgentChannel.open(host_end, token=TOKEN, claim=False, instance="i_x") as channel:
        with pytest.raises(AgentMisbehaved):
            await changecalls.read_lines(channel, b"f", ASKED)
        assert isinstance(await asyncio.wait_for(channel.wait_closed(), 5), AgentMisbehaved)
    await playing


@pytest.mark.parametrize("tells", [True, False])
async def test_a_long_copy_takes_as_long_as_its_agent_says_that_it_goes_on(tells: bool):
    host_end, agent_end = duplex()
    copied = Copied(created=True, entries=1, bytes=1, skipped=0, stat=STAT)
    replies: list[Message] = [*([Progress(done=1)] * 6 if tells else []), copied]
    every_s = 0.1 if tells else 0.6
    playing = asyncio.create_task(asyncio.wait_for(play(agent_end, Copy, replies, every_s), 5))
    limits = ChannelLimits(request_timeout_s=0.3)
    async with AgentChannel.open(
        host_end, token=TOKEN, claim=False, instance="i_x", limits=limits
    ) as channel:
        call = changecalls.copy(
            channel, b"f", b"g", flags=PairFlag(0), entries=1, most=1, if_match="", if_match_to=""
        )
        if tells:
            assert await call == attrs.evolve(copied, id=1)
        else:
            with pytest.raises(TimedOut):
                await call
    playing.cancel()
