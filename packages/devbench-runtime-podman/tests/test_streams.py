"""Attached streams of Podman: the first bytes, the last ones, their order, and the exit code behind them."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from devbench_core.contracts.runtime import CreateRequest
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.attached import AttachedStream
from devbench_core.engines.names import split_ref
from devbench_core.errors import AgentUnavailable
from devbench_runtime_podman.calls import PodmanCalls
from devbench_runtime_podman.runtime import PodmanRuntime

Requests = Callable[..., Awaitable[CreateRequest]]
DEADLINE_S = 20.0
MEBIBYTE = 1024 * 1024
LINES = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"


@pytest.fixture
async def container(runtime: PodmanRuntime, wanted: Requests) -> AsyncGenerator[str]:
    """A running container, by its engine's name."""
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    yield split_ref(ref)[0]
    await runtime.remove(ref)


async def everything(stream: AttachedStream) -> bytes:
    data = b""
    async with asyncio.timeout(DEADLINE_S):
        while piece := await stream.read():
            data += piece
    await stream.close()
    return data


async def exit_code(calls: PodmanCalls, handle: str) -> int:
    deadline = time.monotonic() + DEADLINE_S
    while (shown := await calls.show_process(handle))["Running"]:
        assert time.monotonic() < deadline, "it goes on"
        await asyncio.sleep(0.02)
    return shown["ExitCode"]


async def test_a_command_that_ends_at_once_loses_neither_its_first_bytes_nor_its_exit_code(
    calls: PodmanCalls, container: str
):
    for number in range(8):
        handle, stream = await calls.execute(
            container, ("sh", "-c", f"echo first{number}; echo second >&2; exit {number + 3}"), ""
        )
        assert await everything(stream) == f"first{number}\n".encode()
        assert stream.diagnostic == "second"
        assert await exit_code(calls, handle) == number + 3


async def test_thousands_of_lines_arrive_once_and_in_order(calls: PodmanCalls, container: str):
    _, stream = await calls.execute(container, ("sh", "-c", LINES), "")
    assert await everything(stream) == b"".join(b"line %d\n" % number for number in range(20_000))


async def test_megabytes_go_in_and_out_at_the_same_time(calls: PodmanCalls, container: str):
    _, stream = await calls.execute(container, ("cat",), "")
    data = bytes(range(256)) * (4 * MEBIBYTE // 256)
    sending = asyncio.create_task(stream.write(data))
    seen = hashlib.sha256()
    left = len(data)
    async with asyncio.timeout(DEADLINE_S):
        while left:
            piece = await stream.read()
            seen.update(piece)
            left -= len(piece)
    await sending
    assert seen.digest() == hashlib.sha256(data).digest()
    await stream.close()


async def test_a_command_gets_the_end_of_its_input_when_its_stream_is_closed(
    calls: PodmanCalls, container: str
):
    handle, stream = await calls.execute(container, ("sh", "-c", "cat > /dev/null; exit 9"), "")
    await stream.close()
    assert await exit_code(calls, handle) == 9
    with pytest.raises(AgentUnavailable):
        await stream.write(b"late")


async def test_a_program_that_is_not_there_says_so_and_is_no_success(calls: PodmanCalls, container: str):
    handle, stream = await calls.execute(container, ("/no/such/program",), "")
    assert await everything(stream) == b""
    assert "/no/such/program" in stream.diagnostic
    assert await exit_code(calls, handle) in (126, 127)


async def test_a_stream_to_what_is_not_there_is_refused(calls: PodmanCalls):
    with pytest.raises(EngineAnswer, match="404"):
        await calls.attach("devbench-never-was")
    with pytest.raises(EngineAnswer, match="404"):
        await calls.show_process("0" * 64)
