"""SNAPSHOT: a file as it was at one moment; and READ of one that grows."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent_process import StartAgent, wait_until
from agent_wire import (
    ABORT,
    DATA,
    FILE_WINDOW,
    FOREVER,
    READ,
    READ_END,
    READ_META,
    Channel,
    FileError,
    Stat,
    text,
)

SNAPSHOT = 0x4B
CONFLICT, TOO_LARGE, NO_SPACE, NOT_FOUND = 6, 8, 9, 1
MIB = 2**20
APPEND = "import os,sys\nf=os.open(sys.argv[1],1025)\nn=0\nwhile 1: n+=1; os.write(f,b'%07d\\n'%n)"


def snapshot(host: Channel, path: str, most: int = FOREVER) -> tuple[Stat, bytes] | int:
    """What SNAPSHOT gave, or the code of its failure."""
    request = host.request()
    host.send(SNAPSHOT, request, text(path) + struct.pack(">QQ", most, FOREVER))
    return answer(host, request)


def answer(host: Channel, request: int) -> tuple[Stat, bytes] | int:
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


MAPPED = """
import mmap, os, sys, time
size = int(sys.argv[2])
with open(sys.argv[1], "r+b") as file:
    mapped = mmap.mmap(file.fileno(), size)
number = 0
while True:
    number += 1
    for at in (0, size - 8):
        mapped[at : at + 8] = number.to_bytes(8, "big")
    time.sleep(0.03)
"""


def test_writes_through_a_shared_mapping_are_seen_though_they_change_no_time(start_agent: StartAgent):
    agent = start_agent()
    host = agent.host()
    size = 16 * MIB
    file = agent.workspace / "f"
    file.write_bytes(bytes(size))
    whole = 0
    with subprocess.Popen([sys.executable, "-c", MAPPED, str(file), str(size)]) as writer:
        try:
            wait_until(lambda: file.read_bytes()[:8] != bytes(8), "it writes")
            for _ in range(30):
                found = snapshot(host, "f")
                if found == CONFLICT:
                    continue
                assert isinstance(found, tuple)
                assert int.from_bytes(found[1][-8:], "big") in written_before(found[1][:8])
                whole += 1
        finally:
            writer.kill()
    assert whole > 0


def written_before(first: bytes) -> set[int]:
    """What the end may hold when the beginning holds this: the two are written one after the other."""
    number = int.from_bytes(first, "big")
    return {number - 1, number}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A workspace of 96 MiB on a disk, that is an ordinary file."""
    image, workspace = tmp_path / "image", tmp_path / "workspace"
    workspace.mkdir()
    with image.open("wb") as file:
        file.truncate(96 * MIB)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-F", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(workspace)], check=True)
    yield workspace
    subprocess.run(["umount", "-l", str(workspace)], check=True)


def free(workspace: Path) -> int:
    status = os.statvfs(workspace)
    return status.f_bavail * status.f_bsize


def answered(host: Channel) -> bool:
    return bool(select.select([host.reader], [], [], 0)[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_file_that_grows_beyond_the_room_meanwhile_takes_none(small: Path, start_agent: StartAgent):
    agent = start_agent()
    file = small / "f"
    refused = 0
    with agent.host() as host:
        for _ in range(10):
            file.write_bytes(b"x" * 16 * MIB)
            before = least = free(small)
            request = host.request()
            host.send(SNAPSHOT, request, text("f") + struct.pack(">QQ", FOREVER, 0))
            while free(small) > before - MIB and not answered(host):
                pass  # until it is being copied
            os.truncate(file, 120 * MIB)  # a hole: only a copy would take room
            while not answered(host):
                least = min(least, free(small))
            assert least > before // 2
            try:
                host.reply(request)
            except FileError as error:
                refused += error.code == NO_SPACE
            else:
                host.send(ABORT, request)
                with pytest.raises(FileError):
                    host.reply(request)
    assert refused > 0
    agent.process.kill()
    agent.process.wait()
