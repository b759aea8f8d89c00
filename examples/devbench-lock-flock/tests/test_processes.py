"""Real processes share the lock."""

import asyncio
import fcntl
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from devbench_core.clock import SystemClock
from devbench_core.contracts.lock import Lock
from devbench_core.errors import LeaseLost, TimedOut
from devbench_core.testing.kit import open_provider
from devbench_lock_flock import plugin
from devbench_lock_flock.file import KeyFile

(PROVIDER,) = plugin.devbench_locks()
PROCESSES, TIMES = 4, 50
TTL_S = 0.06
DEADLINE_S = 60


class PutBack(SystemClock):
    """A clock that is put back by a day each time that it is read."""

    def __init__(self) -> None:
        self._days = 0

    def now(self) -> datetime:
        """Tell the time of a day before."""
        self._days += 1
        return super().now() - timedelta(days=self._days)


async def holder(folder: Path, times: int) -> Process:
    program = str(Path(__file__).with_name("holder.py"))
    words = (sys.executable, program, str(folder), str(times))
    return await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE)


async def says(process: Process, word: bytes) -> None:
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), DEADLINE_S) == word + b"\n"


def descriptor_of(path: Path) -> int:
    """Return where this process has a file open."""
    (found,) = (
        each.name for each in Path("/proc/self/fd").iterdir() if each.exists() and each.samefile(path)
    )
    return int(found)


@asynccontextmanager
async def another_holds_it(folder: Path) -> AsyncGenerator[Process]:
    process = await holder(folder, 0)
    try:
        await says(process, b"held")
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest_asyncio.fixture
async def lock(tmp_path: Path) -> AsyncGenerator[Lock]:
    """The lock of this process."""
    async with open_provider(PROVIDER, tmp_path) as opened:
        yield opened


async def test_one_process_holds_a_key_at_a_time_and_its_tokens_rise_over_all_of_them(tmp_path: Path):
    counted = tmp_path / "counted"
    counted.touch()
    processes = [await holder(tmp_path, TIMES) for _ in range(PROCESSES)]
    for process in processes:
        await says(process, b"ready")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
    async with asyncio.timeout(DEADLINE_S):
        assert [await process.wait() for process in processes] == [0] * PROCESSES
    tokens = [int(line) for line in counted.read_text().split()]
    assert len(tokens) == PROCESSES * TIMES  # none was lost between another's read and write
    assert tokens == sorted(set(tokens))


async def test_a_key_that_another_process_holds_is_refused_after_the_wait(tmp_path: Path, lock: Lock):
    async with another_holds_it(tmp_path):
        for wait_s in (0, 0.05):
            with pytest.raises(TimedOut, match="'k'"):
                async with lock.hold("k", ttl_s=TTL_S, wait_s=wait_s):
                    pass
        async with lock.hold("another", ttl_s=TTL_S, wait_s=0):
            pass


async def test_the_key_of_a_killed_process_is_free(tmp_path: Path, lock: Lock):
    async with another_holds_it(tmp_path) as process:
        process.kill()
        async with lock.hold("k", ttl_s=TTL_S, wait_s=DEADLINE_S) as lease:
            lease.check()


async def test_a_stopped_process_keeps_its_key(tmp_path: Path, lock: Lock):
    async with another_holds_it(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimedOut):
            async with lock.hold("k", ttl_s=TTL_S, wait_s=2 * TTL_S):
                pass


async def test_two_benches_of_one_process_exclude_each_other(tmp_path: Path, lock: Lock):
    async with open_provider(PROVIDER, tmp_path) as other, other.hold("k", ttl_s=TTL_S, wait_s=0):
        with pytest.raises(TimedOut):
            async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
                pass


async def test_a_child_that_has_a_copy_of_the_file_open_does_not_keep_the_key(tmp_path: Path, lock: Lock):
    async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
        (path,) = (tmp_path / "state" / "locks").iterdir()
        copy = os.dup(descriptor_of(path))  # as a child has it between its start and its program's
    try:
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
            pass
    finally:
        os.close(copy)


async def hold_until_lost(folder: Path, lock: Lock, *, ttl_s: float, block_s: float) -> None:
    async with lock.hold("k", ttl_s=ttl_s, wait_s=0) as lease:
        (file,) = (folder / "state" / "locks").iterdir()
        file.unlink()
        with pytest.raises(LeaseLost):
            lease.check()
        await asyncio.sleep(block_s)


async def test_a_block_whose_file_is_removed_is_cancelled(tmp_path: Path, lock: Lock):
    async with asyncio.timeout(DEADLINE_S / 2):
        with pytest.raises(LeaseLost):
            await hold_until_lost(tmp_path, lock, ttl_s=TTL_S, block_s=DEADLINE_S)


async def test_a_block_that_ends_before_anybody_saw_the_loss_hears_of_it(tmp_path: Path, lock: Lock):
    with pytest.raises(LeaseLost):
        await hold_until_lost(tmp_path, lock, ttl_s=DEADLINE_S, block_s=0)


async def test_tokens_rise_also_when_the_clock_is_put_back(tmp_path: Path):
    clock = PutBack()
    async with open_provider(PROVIDER, tmp_path, clock=clock) as lock:
        tokens: list[int] = []
        for _ in range(3):
            async with lock.hold("k", ttl_s=TTL_S, wait_s=0) as lease:
                tokens.append(lease.token)
    assert tokens == sorted(set(tokens))


def test_a_file_that_is_removed_while_it_is_being_locked_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "key"
    flock = fcntl.flock

    def after_its_removal(descriptor: int, operation: int) -> None:
        path.unlink()
        flock(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", after_its_removal)
        assert KeyFile.take(path) is None
    file = KeyFile.take(path)
    assert file is not None
    file.give_back()


async def test_tokens_rise_also_when_the_file_is_lost(tmp_path: Path, lock: Lock):
    async with lock.hold("k", ttl_s=TTL_S, wait_s=0) as lease:
        first = lease.token
    (file,) = (tmp_path / "state" / "locks").iterdir()
    file.unlink()
    async with lock.hold("k", ttl_s=TTL_S, wait_s=0) as lease:
        assert lease.token > first
