"""Stripping Docker's framing, and talking to an endpoint that lies."""

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.attached import DIAGNOSTIC_MAX_BYTES, AttachedStream, Demultiplexer
from devbench_core.engines.upgrade import Dial, unix_dial, upgrade
from devbench_core.errors import AgentUnavailable

Frames = list[tuple[int, bytes]]
FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300)), max_size=20)


def framed(frames: Frames) -> bytes:
    return b"".join(struct.pack(">BxxxL", stream, len(data)) + data for stream, data in frames)


@given(frames=FRAMES, cuts=st.lists(st.integers(1, 40), min_size=1, max_size=200))
def test_however_it_is_cut_stdout_is_whole_and_stderr_is_kept_apart(frames: Frames, cuts: list[int]):
    wire = framed(frames)
    demultiplexer = Demultiplexer()
    out, position, turn = b"", 0, 0
    while position < len(wire):
        size = cuts[turn % len(cuts)]
        out += demultiplexer.feed(wire[position : position + size])
        position, turn = position + size, turn + 1
    assert out == b"".join(data for stream, data in frames if stream == 1)
    said = b"".join(data for stream, data in frames if stream == 2)
    assert demultiplexer.diagnostic == said[-DIAGNOSTIC_MAX_BYTES:]


@given(st.binary(min_size=8, max_size=200))
def test_what_is_not_framed_is_refused_or_awaits_more(data: bytes):
    try:
        Demultiplexer().feed(data)
    except ValueError as refused:
        assert "stream" in str(refused)  # noqa: PT017 - both outcomes are fine


@asynccontextmanager
async def serving(folder: Path, answer: bytes) -> AsyncGenerator[Dial]:
    """An endpoint that reads a request's head and gives this answer."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    path = folder / "s"
    async with await asyncio.start_unix_server(serve, path):
        yield unix_dial(str(path))


UPGRADED = (
    b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n\r\n"
)


async def test_bytes_that_come_with_the_answer_are_not_lost(tmp_path: Path):
    async with serving(tmp_path, UPGRADED + framed([(1, b"first"), (2, b"oops"), (1, b" second")])) as dial:
        stream = AttachedStream(await upgrade(dial, "/x", {}, None))
        assert await stream.await_first()
        data = b""
        while piece := await stream.read():
            data += piece
        assert data == b"first second"
        assert stream.diagnostic == "oops"
        await stream.close()


async def test_a_stream_that_is_not_framed_breaks_with_a_clear_error(tmp_path: Path):
    async with serving(tmp_path, UPGRADED + b"\x07 not docker") as dial:
        stream = AttachedStream(await upgrade(dial, "/x", {}, None))
        with pytest.raises(AgentUnavailable, match="no stream has the number 7"):
            await stream.read()
        await stream.close()


async def test_an_error_instead_of_the_upgrade_is_told(tmp_path: Path):
    body = b'{"message":"no such exec"}'
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with serving(tmp_path, head + body) as dial:
        with pytest.raises(EngineAnswer, match="404: no such exec"):
            await upgrade(dial, "/x", {}, None)


@pytest.mark.parametrize("answer", [b"", b"hello\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"x" * 1_000_000])
async def test_an_answer_that_is_no_http_is_a_broken_connection(answer: bytes, tmp_path: Path):
    async with serving(tmp_path, answer) as dial:
        with pytest.raises((ConnectionError, EngineAnswer)):
            await upgrade(dial, "/x", {}, None)
