"""Several commands on channels that are slow, crumble and break off at random: nothing is lost or repeated."""

import asyncio
import random
import secrets
from contextlib import suppress

import pytest

from devbench_core.channel.settings import ChannelLimits
from devbench_core.errors import AgentUnavailable
from devbench_core.model.execution import Exec, ExecReason, ExecRequest, StreamName
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, open_host, python
from harness.faulty_stream import Faults, faulty

LIMITS = ChannelLimits(reopen_first_s=0.01, reopen_max_s=0.02, reopen_give_up_s=60, connect_timeout_s=5)
LINES = 15_000
COUNT = f"""
import os, sys
for i in range({LINES}):
    print(i)
    if i % 3 == 0: print(i, file=sys.stderr)
    if i % 1000 == 0: sys.stdout.flush(); sys.stderr.flush()
sys.exit(7)
"""
INPUT = random.Random(3).randbytes(300_000)  # noqa: S311 - a pattern
SEEDS = [1, 2, secrets.randbits(32)]  # the last one is another each time; the name of the case tells it
LEAST_CUTS = 5


async def start(host: Host, request: ExecRequest) -> Exec:
    """Start a command; a handshake that broke off has started nothing."""
    while True:
        with suppress(AgentUnavailable):
            return await host.execs.start(CONTAINER_ID, request)


async def output(host: Host, command: Exec) -> dict[StreamName, bytes]:
    found = dict.fromkeys(StreamName, b"")
    due = 1
    async for chunk in (await host.execs.process(command.id)).output():
        assert (chunk.seq, chunk.lost_bytes) == (due, 0)
        found[chunk.stream] += chunk.data
        due += 1
    return found


async def check_lines(host: Host) -> None:
    command = await start(host, ExecRequest(argv=python(COUNT)))
    found = await output(host, command)
    assert found[StreamName.STDOUT] == b"".join(b"%d\n" % i for i in range(LINES))
    assert found[StreamName.STDERR] == b"".join(b"%d\n" % i for i in range(0, LINES, 3))
    ended = await host.execs.get(command.id)
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 7)


async def check_input(host: Host) -> None:
    command = await start(host, ExecRequest(argv=("cat",), stdin=INPUT))
    assert (await output(host, command))[StreamName.STDOUT] == INPUT


@pytest.mark.parametrize("seed", SEEDS)
async def test_commands_on_channels_with_random_faults_lose_and_repeat_nothing(
    local_agent: LocalAgent, seed: int
):
    faults = Faults(chance=random.Random(seed))  # noqa: S311 - what goes wrong
    async with open_host(
        faulty(local_agent.connect, faults), local_agent.token, channel_limits=LIMITS
    ) as host:
        await asyncio.gather(*(check_lines(host) for _ in range(3)), check_input(host))
        assert faults.cuts >= LEAST_CUTS
        assert host.execs.running_here == 0
        faults.cut = 0
        channel = await host.link.channel()
        async with asyncio.timeout(20):
            while await channel.list_execs():
                await asyncio.sleep(0.01)
