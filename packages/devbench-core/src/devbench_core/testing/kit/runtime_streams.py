"""What a runtime promises of streams: their first bytes, several at once, every byte once, and their endings."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random

import pytest

from devbench_core.channel.channel import AgentChannel
from devbench_core.contracts.runtime import AgentProgram, Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable, DevbenchError
from devbench_core.testing.inside import begin, run
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.reading import ended, read_exactly
from devbench_core.testing.kit.runtime_opening import WithRuntime
from devbench_core.testing.living import Live, Requests
from devbench_core.testing.seeing import until

HELLO_BYTES = 10 + 4 + 2 + 2 + 16 + 32 + 1 + 4
ECHO_S = 60.0
MEBIBYTE = 1024 * 1024
ORDERS = b"xmh"
"""Bytes that the stand-in for the agent does not echo but obeys."""


async def echoes(stream: ByteStream, data: bytes) -> None:
    """Send bytes, and see that they and no others come back."""
    async with asyncio.timeout(ECHO_S):
        sending = asyncio.create_task(stream.write(data))
        try:
            echoed = await read_exactly(stream, len(data))
            assert hashlib.sha256(echoed).digest() == hashlib.sha256(data).digest()
            await sending
        finally:
            sending.cancel()  # of what does not come back the rest is never taken
            await asyncio.gather(sending, return_exceptions=True)


@in_time
@pytest.mark.asyncio
@stated_by(Runtime.connect, ByteStream)
class RuntimeStreamsContract(WithRuntime):
    """The streams to an agent."""

    async def test_the_agent_speaks_first(self, runtime: Runtime, wanted: Requests):
        ref = await runtime.create(await wanted())
        await runtime.start(ref)
        stream = await runtime.connect(ref)
        hello = await read_exactly(stream, HELLO_BYTES)
        assert hello[4] == 1
        assert hello[10:14] == b"DVBA"
        await stream.close()

    @stated_by(Runtime.connect)
    async def test_several_streams_reach_the_same_agent(self, runtime: Runtime, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            for _ in range(3):
                stream = await runtime.connect(container.ref)
                async with AgentChannel.open(
                    stream, token=container.token, claim=False, instance="h_second"
                ) as second:
                    assert second.agent.boot_id == container.channel.agent.boot_id
                    assert (await run(second, "/bin/echo", "second")).text == "second\n"
            assert (await container.run("/bin/echo", "first")).text == "first\n"

    @stated_by(Runtime.connect, Runtime)
    async def test_streams_are_opened_at_the_same_time(self, runtime: Runtime, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            streams = await asyncio.gather(*(runtime.connect(container.ref) for _ in range(4)))
            for hello in await asyncio.gather(*(read_exactly(stream, HELLO_BYTES) for stream in streams)):
                assert hello[10:14] == b"DVBA"
            for stream in streams:
                await stream.close()

    @stated_by(ByteStream.read, ByteStream.write)
    async def test_every_byte_arrives_once_and_in_order_on_the_first_stream_and_on_later_ones(
        self, runtime: Runtime, wanted: Requests, standin: AgentProgram
    ):
        ref = await runtime.create(await wanted(agent=standin))
        await runtime.start(ref)
        data = random.Random(7).randbytes(2 * MEBIBYTE).translate(None, ORDERS)  # noqa: S311 - not a secret
        for _ in range(2):
            stream = await runtime.connect(ref)
            assert await read_exactly(stream, 4) == b"DVBA"
            await echoes(stream, data)
            await stream.close()

    @stated_by(ByteStream.write)
    async def test_a_writer_waits_while_nobody_reads(
        self, runtime: Runtime, wanted: Requests, standin: AgentProgram
    ):
        ref = await runtime.create(await wanted(agent=standin))
        await runtime.start(ref)
        stream = await runtime.connect(ref)
        data = bytes(64 * MEBIBYTE)
        with pytest.raises(TimeoutError):  # its echo is not read, so it must come to a halt
            async with asyncio.timeout(2):
                await stream.write(data)
        await stream.close()

    @stated_by(ByteStream.read)
    async def test_megabytes_of_output_come_through_the_channel(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            sink = begin(container.channel, "/bin/sh", "-c", f"head -c {3 * MEBIBYTE} /dev/zero")
            async with asyncio.timeout(30):
                ending = await sink.ending
            assert (ending.exit_code, len(sink.data)) == (0, 3 * MEBIBYTE)

    @stated_by(ByteStream.close, ByteStream.write)
    async def test_a_closed_stream_is_closed_again_without_harm_and_refuses_bytes(
        self, runtime: Runtime, wanted: Requests
    ):
        ref = await runtime.create(await wanted())
        await runtime.start(ref)
        stream = await runtime.connect(ref)
        await stream.close()
        await stream.close()
        with pytest.raises(AgentUnavailable):
            await stream.write(b"late")

    @stated_by(ByteStream.read, Runtime.remove)
    async def test_a_stream_ends_with_its_container(self, runtime: Runtime, wanted: Requests):
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

    @stated_by(Runtime.connect, ByteStream.close)
    async def test_the_agent_lives_on_when_its_first_stream_is_closed(
        self, runtime: Runtime, wanted: Requests, live: Live
    ):
        async with live(await wanted()) as container:
            pass

        async def reached() -> bool:
            async with live.again(container.ref, token=container.token) as again:
                return (await again.run("/bin/echo", "alive")).text == "alive\n"

        assert await until(reached)

    async def test_a_stream_without_the_token_is_refused(
        self, runtime: Runtime, wanted: Requests, live: Live
    ):
        async with live(await wanted()) as container:
            stream = await runtime.connect(container.ref)
            with pytest.raises(DevbenchError):
                async with AgentChannel.open(stream, token=os.urandom(32), claim=False, instance="h_other"):
                    pass
            assert (await container.run("/bin/echo", "unharmed")).text == "unharmed\n"
