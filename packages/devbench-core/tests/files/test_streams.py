"""Contents of files as streams, through a real agent."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator

import pytest

from devbench_core.errors import FileConflict, FileFailed, FileMissing, TooLarge
from devbench_core.files.settings import FileLimits
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host

MIB = 2**20


async def pieces(*sizes: int) -> AsyncIterator[bytes]:
    """Content as it comes."""
    for size in sizes:
        yield b"x" * size


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 9_000_001])
async def test_what_is_written_as_a_stream_is_read_as_one(host: Host, size: int):
    data = os.urandom(size)

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, size, 100_001):
            yield data[start : start + 100_001]

    written = await host.files.write_stream(C, "d/f", stream(), parents=True, mode=0o600)
    assert written.created
    got = bytearray()
    async with host.files.read_stream(C, "d/f") as reading:
        async for piece in reading:
            got += piece
    assert got == data
    assert reading.info == written.info == await host.files.stat(C, "d/f")


async def test_a_part_is_read_as_a_stream(host: Host):
    await host.files.write(C, "f", b"0123456789")
    async with host.files.read_stream(C, "f", offset=3, max_bytes=4) as reading:
        assert b"".join([piece async for piece in reading]) == b"3456"
    async with host.files.read_stream(C, "f", offset=99) as reading:
        assert [piece async for piece in reading] == []


@pytest.mark.loop_may_stall
async def test_a_slow_reader_holds_the_agent_back(host: Host, local_agent: LocalAgent):
    digest = hashlib.sha256()
    with (local_agent.workspace / "f").open("wb") as file:
        for i in range(64):
            file.write(bytes([i]) * MIB)
            digest.update(bytes([i]) * MIB)
    seen = hashlib.sha256()
    async with host.files.read_stream(C, "f") as reading:
        pieces_of = aiter(reading)
        seen.update(await anext(pieces_of))
        await asyncio.sleep(0.2)  # the agent sends what it may, and no more
        await host.files.stat(C, "f")  # others go on meanwhile
        async for piece in pieces_of:
            seen.update(piece)
    assert seen.digest() == digest.digest()


async def test_a_reader_may_leave_in_the_middle(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "f").write_bytes(bytes(20 * MIB))
    async with host.files.read_stream(C, "f") as reading:
        async for piece in reading:
            assert piece
            break
    assert (await host.files.stat(C, "f")).size_bytes == 20 * MIB


async def test_a_file_that_changes_is_told_at_the_end(host: Host, local_agent: LocalAgent):
    path = local_agent.workspace / "f"
    path.write_bytes(bytes(20 * MIB))
    async with host.files.read_stream(C, "f") as reading:
        with pytest.raises(FileConflict):  # noqa: PT012 - it comes after the last piece
            async for _ in reading:
                os.utime(path)


async def test_a_stream_that_fails_changes_nothing(host: Host, local_agent: LocalAgent):
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionError

    await host.files.write(C, "f", b"old")
    with pytest.raises(ConnectionError):
        await host.files.write_stream(C, "f", broken())
    assert (await host.files.read(C, "f")).data == b"old"
    async with asyncio.timeout(20):
        while any(local_agent.workspace.glob(".devbench-tmp-*")):
            await asyncio.sleep(0.002)


async def test_conditions_limits_and_faults_are_those_of_a_write(local_agent: LocalAgent):
    limits = FileLimits(stream_max_bytes=10)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        await host.files.write(C, "f", b"old")
        with pytest.raises(FileConflict):
            await host.files.write_stream(C, "f", pieces(1), if_match="0" * 32)
        with pytest.raises(FileConflict):
            await host.files.write_stream(C, "f", pieces(1), if_none_match=True)
        with pytest.raises(FileMissing):
            await host.files.write_stream(C, "no/f", pieces(1))
        with pytest.raises(TooLarge) as caught:
            await host.files.write_stream(C, "f", pieces(6, 5))
        assert caught.value.details == {"limit": 10, "setting": "files.stream_max_bytes"}
        await host.files.mkdir(C, "d")
        with pytest.raises(FileFailed):
            async with host.files.read_stream(C, "d"):
                pass
        with pytest.raises(FileMissing):
            async with host.files.read_stream(C, "no"):
                pass
        assert (await host.files.read(C, "f")).data == b"old"
