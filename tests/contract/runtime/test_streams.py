"""The streams to the agent: their first bytes, several at once, every byte once, and their endings."""

import asyncio
import hashlib
import os
import random

import pytest

from contract.runtime.fixtures import Live, Requests
from contract.runtime.inside import begin, run
from contract.runtime.seeing import until
from devbench_core.channel.channel import AgentChannel
from devbench_core.contracts.runtime import AgentProgram, Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable, DevbenchError

HELLO_BYTES = 10 + 4 + 2 + 2 + 16 + 32 + 1 + 4
MEBIBYTE = 1024 * 1024
ORDERS = b"xmh"
"""Bytes that the stand-in for the agent does not echo but obeys."""


async def read_exactly(stream: ByteStream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = await stream.read()
        assert piece, f"the stream ended after {len(data)} of {count} bytes"
        data += piece
    return data


async def test_the_agent_speaks_first(runtime: Runtime, wanted: Requests):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    stream = await runtime.connect(ref)
    hello = await read_exactly(stream, HELLO_BYTES)
    assert hello[4] == 1
    assert hello[10:14] == b"DVBA"
    await stream.close()


async def test_several_streams_reach_the_same_agent(runtime: Runtime, wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        for _ in range(3):
            stream = await runtime.connect(container.ref)
            async with AgentChannel.open(
                stream, token=container.token, claim=False, instance="h_second"
            ) as second:
                assert second.agent.boot_id == container.channel.agent.boot_id
                assert (await run(second, "/bin/echo", "second")).text == "second\n"
        assert (await container.run("/bin/echo", "first")).text == "first\n"


async def test_streams_are_opened_at_the_same_time(runtime: Runtime, wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        streams = await asyncio.gather(*(runtime.connect(container.ref) for _ in range(4)))
        for hello in await asyncio.gather(*(read_exactly(stream, HELLO_BYTES) for stream in streams)):
            assert hello[10:14] == b"DVBA"
        for stream in streams:
            await stream.close()


async def test_every_byte_arrives_once_and_in_order_on_the_first_stream_and_on_later_ones(
    runtime: Runtime, wanted: Requests, ending_agent: AgentProgram
):
    ref = await runtime.create(await wanted(agent=ending_agent))
    await runtime.start(ref)
    data = random.Random(7).randbytes(2 * MEBIBYTE).translate(None, ORDERS)  # noqa: S311 - not a secret
    for _ in range(2):
        stream = await runtime.connect(ref)
        assert await read_exactly(stream, 4) == b"DVBA"
        sending = asyncio.create_task(stream.write(data))
        echoed = await read_exactly(stream, len(data))
        await sending
        assert hashlib.sha256(echoed).digest() == hashlib.sha256(data).digest()
        await stream.close()


async def test_a_writer_waits_while_nobody_reads(
    runtime: Runtime, wanted: Requests, ending_agent: AgentProgram
):
    ref = await runtime.create(await wanted(agent=ending_agent))
    await runtime.start(ref)
    stream = await runtime.connect(ref)
    data = bytes(64 * MEBIBYTE)
    with pytest.raises(TimeoutError):  # its echo is not read, so it must come to a halt
        async with asyncio.timeout(2):
            await stream.write(data)
    await stream.close()


async def test_megabytes_of_output_come_through_the_channel(wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        sink = begin(container.channel, "/bin/sh", "-c", f"head -c {3 * MEBIBYTE} /dev/zero")
        async with asyncio.timeout(30):
            ending = await sink.ending
        assert (ending.exit_code, len(sink.data)) == (0, 3 * MEBIBYTE)


async def test_a_closed_stream_is_closed_again_without_harm_and_refuses_bytes(
    runtime: Runtime, wanted: Requests
):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    stream = await runtime.connect(ref)
    await stream.close()
    await stream.close()
    with pytest.raises(AgentUnavailable):
        await stream.write(b"late")


async def test_a_stream_ends_with_its_container(runtime: Runtime, wanted: Requests):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    streams = [await runtime.connect(ref), await runtime.connect(ref)]
    for stream in streams:
        await read_exactly(stream, HELLO_BYTES)
    await runtime.remove(ref)
    for stream in streams:
        async with asyncio.timeout(10):
            assert await ended(stream)
        await stream.close()


async def ended(stream: ByteStream) -> bool:
    """Read to the end; a break is an end, too."""
    try:
        while await stream.read():
            pass
    except AgentUnavailable:
        return True
    return True


async def test_the_agent_lives_on_when_its_first_stream_is_closed(
    runtime: Runtime, wanted: Requests, live: Live
):
    async with live(await wanted()) as container:
        pass

    async def reached() -> bool:
        async with live.again(container.ref, token=container.token) as again:
            return (await again.run("/bin/echo", "alive")).text == "alive\n"

    assert await until(reached)


async def test_a_stream_without_the_token_is_refused(runtime: Runtime, wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        stream = await runtime.connect(container.ref)
        with pytest.raises(DevbenchError):
            async with AgentChannel.open(stream, token=os.urandom(32), claim=False, instance="h_other"):
                pass
        assert (await container.run("/bin/echo", "unharmed")).text == "unharmed\n"
