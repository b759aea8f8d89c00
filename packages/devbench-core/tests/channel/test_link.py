"""A link mends itself, and no byte is lost or repeated."""

import asyncio
from contextlib import suppress
from pathlib import PurePosixPath

import pytest

from devbench_core.channel.settings import ChannelLimits
from devbench_core.channel.unix import open_unix
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable, Unauthorised
from devbench_core.model.execution import ExecReason, ExecRequest
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, eventually, open_host, python
from harness.cutting_proxy import CuttableStream

QUICK = ChannelLimits(reopen_first_s=0.01, reopen_max_s=0.05, reopen_give_up_s=0.5, connect_timeout_s=5)
LINES = b"".join(b"%d\n" % i for i in range(200_000))
COUNT = "import sys\nfor i in range(200000): print(i)"


class Connector:
    """Opens streams to an agent and counts them; some can be cut, some fail."""

    def __init__(self, agent: LocalAgent) -> None:
        self.agent = agent
        self.streams: list[CuttableStream] = []
        self.cut_after: list[int] = []
        self.failures = 0

    async def __call__(self) -> ByteStream:
        if self.failures:
            self.failures -= 1
            raise AgentUnavailable("not now")
        stream = CuttableStream(await self.agent.connect(), self.cut_after.pop(0) if self.cut_after else None)
        self.streams.append(stream)
        return stream


async def all_output(host: Host, exec_id: str) -> bytes:
    process = await host.execs.process(exec_id)
    return b"".join([chunk.data async for chunk in process.output()])


async def test_output_is_whole_after_many_cuts_in_the_middle_of_frames(local_agent: LocalAgent):
    connector = Connector(local_agent)
    connector.cut_after = [100_000 + 7777 * i for i in range(8)]
    async with open_host(connector, local_agent.token, channel_limits=QUICK) as host:
        started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=python(COUNT)))
        assert await all_output(host, started.id) == LINES
        ended = await host.execs.get(started.id)
        assert ended.ending is not None
        assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 0)
        assert len(connector.streams) == 9


async def test_input_is_whole_after_cuts(local_agent: LocalAgent):
    connector = Connector(local_agent)
    connector.cut_after = [3000, 200_000, 300_000]
    async with open_host(connector, local_agent.token, channel_limits=QUICK) as host:
        started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("cat",), stdin=LINES))
        assert await all_output(host, started.id) == LINES
        assert len(connector.streams) == 4


@pytest.mark.parametrize("after", range(130, 400, 30))
async def test_a_cut_at_any_byte_starts_a_command_once_or_not_at_all(local_agent: LocalAgent, after: int):
    marks = local_agent.workspace / "marks"
    connector = Connector(local_agent)
    connector.cut_after = [after]
    async with open_host(connector, local_agent.token, channel_limits=QUICK) as host:
        request = ExecRequest(argv=("sh", "-c", "echo ran >> marks; echo done"), cwd=PurePosixPath("."))
        started = None
        while started is None:
            with suppress(AgentUnavailable):  # the handshake was cut: nothing was started
                started = await host.execs.start(CONTAINER_ID, request)
        assert await all_output(host, started.id) == b"done\n"
        assert len(await host.execs.list(CONTAINER_ID)) == 1
    assert marks.read_text(encoding="ascii") == "ran\n"


async def test_many_callers_share_one_attempt(local_agent: LocalAgent):
    connector = Connector(local_agent)
    async with open_host(connector, local_agent.token) as host:
        channels = await asyncio.gather(*(host.link.channel() for _ in range(50)))
        assert len(set(map(id, channels))) == 1
        assert len(connector.streams) == 1


async def test_an_idle_link_opens_again_when_it_is_needed(local_agent: LocalAgent):
    connector = Connector(local_agent)
    async with open_host(connector, local_agent.token, channel_limits=QUICK) as host:
        await host.link.channel()
        await connector.streams[0].cut()
        await eventually(lambda: not host.link._channel)  # pyright: ignore[reportPrivateUsage]
        assert (await host.link.channel()).is_open
        assert len(connector.streams) == 2


async def test_failures_to_connect_are_tried_again_while_a_command_runs(local_agent: LocalAgent):
    connector = Connector(local_agent)
    async with open_host(connector, local_agent.token, channel_limits=QUICK) as host:
        started = await host.execs.start(
            CONTAINER_ID, ExecRequest(argv=("sh", "-c", "read x; echo $x")), open_stdin=True
        )
        connector.failures = 4
        await connector.streams[0].cut()
        process = await host.execs.process(started.id)
        await process.write(b"yes\n")
        assert await all_output(host, started.id) == b"yes\n"


async def test_a_command_is_lost_with_the_reason_when_its_agent_stays_away(local_agent: LocalAgent):
    connector = Connector(local_agent)
    async with open_host(connector, local_agent.token, channel_limits=QUICK) as host:
        started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "100")))
        local_agent.kill()
        ended = await host.execs.wait(started.id, wait_s=20)
        assert ended.ending is not None
        assert ended.ending.reason is ExecReason.LOST
        assert "agent" in ended.ending.message
        assert not host.execs.running_here


async def test_somebody_looks_at_the_container_when_its_channel_cannot_be_opened_again(
    local_agent: LocalAgent,
):
    looked = asyncio.Event()

    async def look() -> None:
        looked.set()
        raise RuntimeError("also a look that fails is survived")

    async with open_host(local_agent.connect, local_agent.token, channel_limits=QUICK) as host:
        host.link._on_cut = look  # pyright: ignore[reportPrivateUsage]
        await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sleep", "100")))
        local_agent.kill()
        await asyncio.wait_for(looked.wait(), 10)


async def test_a_wrong_token_is_said_at_once(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token) as host:
        await host.link.channel()
    async with open_host(local_agent.connect, b"w" * 32, claim=False) as host:
        with pytest.raises(Unauthorised):
            await host.link.channel()


async def test_a_closed_link_opens_no_channel(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token) as host:
        await host.link.channel()
        await host.link.aclose()
        await host.link.aclose()
        with pytest.raises(AgentUnavailable, match="closed"):
            await host.link.channel()


async def test_small_requests_overtake_a_large_write(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token) as host:
        await host.files.write(CONTAINER_ID, "small", b"x")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        writing = asyncio.create_task(host.files.write(CONTAINER_ID, "large", bytes(60_000_000)))
        during: list[float] = []
        while not writing.done():
            asked = loop.time()
            await host.files.stat(CONTAINER_ID, "small")
            if not writing.done():
                during.append(loop.time() - asked)
        whole = loop.time() - begun
        await writing
        assert len(during) >= 3, "nothing got through while the write went on"
        assert sorted(during)[len(during) // 2] < whole / 4


async def test_a_socket_whose_path_is_too_long_is_reached(local_agent: LocalAgent):
    folder = local_agent.workspace
    for _ in range(3):
        folder = folder / ("d" * 60)
        folder.mkdir()
    long = folder / "agent"
    long.symlink_to(local_agent.socket)
    assert len(str(long)) > 108
    stream = await open_unix(long)
    assert (await stream.read())[10:14] == b"DVBA"
    await stream.close()
    with pytest.raises(AgentUnavailable):
        await open_unix(folder / "nobody")


@pytest.mark.parametrize("after", range(130, 400, 30))
async def test_a_start_on_a_channel_that_just_died_happens_once(local_agent: LocalAgent, after: int):
    connector = Connector(local_agent)
    async with open_host(connector, local_agent.token, channel_limits=QUICK) as host:
        await host.link.channel()
        connector.cut_after = [after, 2 * after]
        await connector.streams[0].cut()
        started = await host.execs.start(
            CONTAINER_ID, ExecRequest(argv=("sh", "-c", "echo ran >> marks; echo done"))
        )
        assert await all_output(host, started.id) == b"done\n"
    assert (local_agent.workspace / "marks").read_text(encoding="ascii") == "ran\n"


async def test_commands_on_channels_that_never_last_all_end_and_leave_nothing_in_the_agent(
    local_agent: LocalAgent,
):
    connector = Connector(local_agent)
    async with open_host(connector, local_agent.token, channel_limits=QUICK) as host:
        await host.link.channel()
        for number in range(10):
            started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("echo", str(number))))
            assert await all_output(host, started.id) == b"%d\n" % number
            last = await host.link.channel()
            await connector.streams[-1].cut()
            await last.wait_closed()
        channel = await host.link.channel()
        async with asyncio.timeout(20):
            while await channel.list_execs():
                await asyncio.sleep(0)
