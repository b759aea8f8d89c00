"""Commands while the real store, a SQLite file, is locked by somebody else or its disk is full."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from devbench_core.errors import StoreFailed
from devbench_core.model.execution import Exec, ExecReason, ExecRequest, StreamName
from devbench_store_sql.opening import opened
from devbench_store_sql.settings import SqlSettings
from engines.privilege import run_as_root
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, eventually, open_host, python, running_agent

MOUNT_TIMEOUT_S = 20
DISK_BYTES = 24 << 20
BUSY_S = 0.1
LINES = 60_000
COUNT = f"""
import sys, time
for i in range({LINES}):
    print(i)
    if i % 500 == 0:
        sys.stdout.flush()
        time.sleep(0.005)
sys.exit(3)
"""
LOUD_BYTES = 6 << 20
LOUD = (
    f"import os, sys\nfor i in range({LOUD_BYTES >> 16}): os.write(1, bytes([i % 256]) * 65536)\nsys.exit(3)"
)


@pytest.fixture
def local_agent(tmp_path: Path) -> Generator[LocalAgent]:
    """A real agent as a local process."""
    with running_agent(tmp_path) as agent:
        yield agent


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system that is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={DISK_BYTES},uid={os.getuid()},mode=0700"
    mounted = run_as_root(
        ["mount", "-t", "tmpfs", "-o", options, "devbench-test", str(folder)], timeout_s=MOUNT_TIMEOUT_S
    )
    assert mounted.returncode == 0, mounted.stderr
    yield folder
    run_as_root(["umount", str(folder)], timeout_s=MOUNT_TIMEOUT_S)


@asynccontextmanager
async def host_on(agent: LocalAgent, folder: Path) -> AsyncGenerator[Host]:
    """A host whose store is in a folder and does not wait long for others."""
    async with (
        opened(SqlSettings(busy_timeout_s=BUSY_S), folder) as store,
        open_host(agent.connect, agent.token, store=store) as host,
    ):
        yield host


async def start(host: Host, code: str) -> Exec:
    return await host.execs.start(CONTAINER_ID, ExecRequest(argv=python(code)))


async def whole(host: Host, command: Exec) -> bytes:
    """Return all output of a command that ends with 3; its numbering has no gap."""
    chunks = [chunk async for chunk in (await host.execs.process(command.id)).output()]
    assert [chunk.seq for chunk in chunks] == list(range(1, len(chunks) + 1))
    assert {chunk.stream for chunk in chunks} == {StreamName.STDOUT}
    assert not any(chunk.lost_bytes for chunk in chunks)
    ended = await host.execs.get(command.id)
    assert ended.ending is not None
    assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 3)
    return b"".join(chunk.data for chunk in chunks)


def lock(database: Path) -> sqlite3.Connection:
    """Keep every other writer out until the connection is closed."""
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    return connection


async def test_commands_go_on_beside_a_store_that_is_locked_again_and_again(
    local_agent: LocalAgent, tmp_path: Path
):
    async with host_on(local_agent, tmp_path) as host:
        commands = [await start(host, COUNT) for _ in range(3)]
        reading = [asyncio.create_task(whole(host, command)) for command in commands]
        for _ in range(5):
            with closing(lock(tmp_path / "devbench.db")):
                await asyncio.sleep(3 * BUSY_S)  # writes are refused meanwhile
            await asyncio.sleep(BUSY_S)
        for found in await asyncio.gather(*reading):
            assert found == b"".join(b"%d\n" % i for i in range(LINES))


async def test_a_command_that_begins_while_the_store_is_locked_is_refused_and_ended(
    local_agent: LocalAgent, tmp_path: Path
):
    async with host_on(local_agent, tmp_path) as host:
        await host.link.channel()
        with closing(lock(tmp_path / "devbench.db")), pytest.raises(StoreFailed):
            await start(host, "import time; time.sleep(600)")
        await eventually(lambda: not host.execs.running_here)
        channel = await host.link.channel()
        async with asyncio.timeout(10):
            while await channel.list_execs():
                await asyncio.sleep(0.01)
        assert await host.execs.list(CONTAINER_ID) == ()
        assert await whole(host, await start(host, "print('after'); exit(3)")) == b"after\n"


async def test_commands_wait_while_the_disk_of_the_store_is_full_and_lose_nothing(
    local_agent: LocalAgent, small_disk: Path
):
    ballast = small_disk / "ballast"
    async with host_on(local_agent, small_disk) as host:
        ballast.write_bytes(bytes(DISK_BYTES - (4 << 20)))
        commands = [await start(host, LOUD) for _ in range(2)]
        async with asyncio.timeout(30):
            while os.statvfs(small_disk).f_bavail:
                await asyncio.sleep(0.05)
        assert all([(await host.execs.get(command.id)).ending is None for command in commands])
        ballast.unlink()
        for found in await asyncio.gather(*(whole(host, command) for command in commands)):
            assert found == b"".join(bytes([i % 256]) * 65536 for i in range(LOUD_BYTES >> 16))
