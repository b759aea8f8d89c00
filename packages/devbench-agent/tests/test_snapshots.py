"""SNAPSHOT: a file as it was at one moment; and READ of one that grows."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from agent_process import StartAgent, wait_until
from agent_wire import DATA, FILE_WINDOW, FOREVER, READ, READ_END, READ_META, Channel, FileError, Stat, text

SNAPSHOT = 0x4B
CONFLICT, TOO_LARGE, NOT_FOUND = 6, 8, 1
MIB = 2**20
APPEND = "import os,sys\nf=os.open(sys.argv[1],1025)\nn=0\nwhile 1: n+=1; os.write(f,b'%07d\\n'%n)"


def snapshot(host: Channel, path: str, most: int = FOREVER) -> tuple[Stat, bytes] | int:
    """What SNAPSHOT gave, or the code of its failure."""
    request = host.request()
    host.send(SNAPSHOT, request, text(path) + struct.pack(">QQ", most, FOREVER))
    try:
        meta = host.reply(request)
    except FileError as error:
        return error.code
    assert meta.type == READ_META
    data = bytearray()
    while (got := host.reply(request)).type == DATA:
        data += got.payload
    assert (got.type, got.payload) == (READ_END, b"\1\0")
    return Stat.take(meta.fields), bytes(data)


@contextmanager
def appending(path: Path) -> Generator[None]:
    path.touch()
    with subprocess.Popen([sys.executable, "-c", APPEND, str(path)]) as writer:
        try:
            wait_until(lambda: path.stat().st_size > 2 * MIB, "a log of some size")
            yield
        finally:
            writer.kill()


def test_a_snapshot_is_the_file_and_leaves_nothing(start_agent: StartAgent):
    agent = start_agent()
    host = agent.host()
    content = os.urandom(3 * MIB + 1)
    (agent.workspace / "f").write_bytes(content)
    before = agent.descriptors()
    found = snapshot(host, "f")
    assert isinstance(found, tuple)
    assert found[1] == content
    assert found[0].size == len(content)
    assert agent.descriptors() == before
    assert os.listdir(agent.workspace) == ["f"]  # noqa: PTH208 - hidden names too
    assert snapshot(host, "f", most=3 * MIB) == TOO_LARGE
    assert snapshot(host, "none") == NOT_FOUND
    assert snapshot(host, "x" * 4096) not in {TOO_LARGE, NOT_FOUND, CONFLICT}


def test_a_snapshot_of_a_log_is_what_it_held_at_one_moment(start_agent: StartAgent):
    agent = start_agent()
    host = agent.host()
    log = agent.workspace / "log"
    with appending(log):
        for _ in range(5):
            least = log.stat().st_size
            found = snapshot(host, "log")
            assert isinstance(found, tuple)
            assert len(found[1]) >= least
            whole = found[1][: len(found[1]) // 8 * 8]
            assert [int(line) for line in whole.split()] == list(range(1, len(whole) // 8 + 1))


def test_a_read_of_a_file_that_grows_goes_on_and_says_so(start_agent: StartAgent):
    agent = start_agent()
    host = agent.host()
    file = agent.workspace / "f"
    file.write_bytes(b"1234")
    request = host.request()
    host.send(READ, request, text("f") + struct.pack(">QQQ", 0, FOREVER, 2))
    assert host.reply(request).type == READ_META
    assert host.reply(request).payload == b"12"
    with file.open("ab") as opened:
        opened.write(b"56")
    host.send(FILE_WINDOW, request, struct.pack(">Q", 4))
    assert host.reply(request).payload == b"34"
    host.send(FILE_WINDOW, request, struct.pack(">Q", 100))
    assert host.reply(request).payload == b"56"
    assert host.reply(request).payload == b"\1\1", "its end was reached, and it changed"
