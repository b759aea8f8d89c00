"""A lease that cannot be kept is lost to its holder before anybody else can have the key; tokens only rise."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from devbench_core.errors import LeaseLost
from devbench_core.leases import LeasedLock
from devbench_core.leases.lease import HeldLease
from devbench_core.testing.seeing import until
from harness import shared_locks
from harness.postgres import Server, server
from harness.shared_locks import open_lock

OpenLock = Callable[..., AbstractAsyncContextManager[LeasedLock]]
Ask = Callable[[str], Awaitable[str]]
TTL_S = 0.6
WAIT_S = 60.0
CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'devbench' AND datname = current_database()"""
LEFT = "SELECT extract(epoch FROM ends_at - clock_timestamp()) FROM lock_leases"
COUNT = """
import asyncio, sys
from pathlib import Path
from harness.shared_locks import open_lock
url, path, times = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
async def main():
    async with open_lock(url) as lock:
        for _ in range(times):
            async with lock.hold("k", ttl_s=30, wait_s=60) as lease:
                number = int(path.read_text())
                await asyncio.sleep(0)
                path.write_text(str(number + 1))
                print(lease.token, flush=True)
asyncio.run(main())
"""


@pytest.fixture
def mine() -> Generator[Server]:
    """A server of this test alone."""
    with server() as alone:
        yield alone


async def for_ever() -> None:
    await asyncio.Event().wait()


async def hold_once(lock: LeasedLock) -> int:
    async with lock.hold("k", ttl_s=WAIT_S, wait_s=WAIT_S) as lease:
        return lease.token


async def test_a_lease_is_renewed_while_the_block_runs(opened: OpenLock, ask: Ask):
    async with opened() as lock, lock.hold("k", ttl_s=3, wait_s=0) as lease:
        await until(lambda: ask(LEFT), lambda said: float(said) < 2.3)
        await until(lambda: ask(LEFT), lambda said: float(said) > 2.6)
        lease.check()


async def test_a_lease_ends_for_its_holder_before_it_does_for_the_server(opened: OpenLock, ask: Ask):
    async with opened() as lock, lock.hold("k", ttl_s=WAIT_S, wait_s=0) as lease:
        assert isinstance(lease, HeldLease)
        left_s = lease.left_s
        assert left_s - WAIT_S < float(await ask(LEFT)) - WAIT_S + 0.5
        assert float(await ask(LEFT)) <= WAIT_S


async def test_a_block_whose_lease_was_taken_is_ended_and_not_called_done(opened: OpenLock, ask: Ask):
    async def work(lock: LeasedLock, ttl_s: float, *, at_once: bool) -> None:
        async with lock.hold("k", ttl_s=ttl_s, wait_s=0):
            await ask("UPDATE lock_leases SET owner = 'thief'")
            if not at_once:
                await for_ever()

    async with opened() as lock:
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(work(lock, WAIT_S, at_once=True), WAIT_S)
        await ask("UPDATE lock_leases SET ends_at = now()")
        with pytest.raises(LeaseLost):
            await asyncio.wait_for(work(lock, TTL_S, at_once=False), WAIT_S)


async def test_connections_that_are_cut_all_the_time_keep_no_waiter_from_his_turn(opened: OpenLock, ask: Ask):
    holders: set[int] = set()
    tokens: list[int] = []

    async def hold(lock: LeasedLock, number: int) -> None:
        async with lock.hold("k", ttl_s=WAIT_S, wait_s=WAIT_S) as lease:
            assert not holders
            holders.add(number)
            tokens.append(lease.token)
            await asyncio.sleep(0.02)  # for the next cut
            holders.remove(number)

    async with opened(poll_s=0.1, retries=20) as one, opened(poll_s=0.1, retries=20) as other:
        waiters = asyncio.gather(*(hold((one, other)[n % 2], n) for n in range(10)))
        while not waiters.done():
            await ask(CUT)
        await waiters
    assert len(tokens) == 10
    assert tokens == sorted(set(tokens))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGQUIT], ids=["restarted", "crashed"])
async def test_a_lease_outlives_a_server_that_comes_back_in_time(mine: Server, end: signal.Signals):
    url = await asyncio.to_thread(mine.database)
    async with open_lock(url, retries=50) as lock, open_lock(url, retries=50) as other:
        async with lock.hold("k", ttl_s=WAIT_S, wait_s=0) as lease:
            await asyncio.to_thread(mine.stop, end)
            await asyncio.to_thread(mine.start)
            lease.check()
            waiting = asyncio.create_task(hold_once(other))
            await until(lambda: asyncio.to_thread(_queue, mine, url), "1".__eq__)
            lease.check()
        assert await waiting > lease.token


@pytest.mark.timeout(120)
async def test_a_holder_whose_server_stays_away_loses_the_lease(mine: Server):
    async def work(lock: LeasedLock) -> None:
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0) as lease:
            await asyncio.to_thread(mine.stop, signal.SIGQUIT)
            try:
                await for_ever()
            finally:
                with pytest.raises(LeaseLost):
                    lease.check()

    url = await asyncio.to_thread(mine.database)
    async with open_lock(url, retries=0) as lock:
        with pytest.raises(LeaseLost, match="'k'"):
            await asyncio.wait_for(work(lock), WAIT_S)


async def test_tokens_rise_although_the_data_are_lost_or_restored_and_the_clock_is_set_back(
    opened: OpenLock, ask: Ask
):
    async with opened() as lock, opened() as other:
        first = await hold_once(lock)
        await ask("UPDATE lock_leases SET token = token - 1000000000")  # as an older backup has it
        second = await hold_once(other)
        assert second > first
        await ask("UPDATE lock_leases SET token = token + 3600000000")  # as if the clock was set back
        future = await hold_once(lock)
        assert future > second + 3_600_000_000
        await ask("TRUNCATE lock_leases")
        assert await hold_once(lock) > future, "the process remembers it"


@pytest.mark.timeout(120)
async def test_ten_processes_exclude_each_other(url: str, tmp_path: Path):
    path, times = tmp_path / "count", 5
    path.write_text("0")
    env = {**os.environ, "PYTHONPATH": str(Path(shared_locks.__file__).parents[1])}
    argv = (sys.executable, "-c", COUNT, url, str(path), str(times))
    started = [await asyncio.create_subprocess_exec(*argv, stdout=PIPE, env=env) for _ in range(10)]
    said = await asyncio.wait_for(asyncio.gather(*(each.communicate() for each in started)), 2 * WAIT_S)
    tokens = [int(word) for output, _ in said for word in output.split()]
    assert path.read_text() == str(10 * times)
    assert len(set(tokens)) == 10 * times


def _queue(mine: Server, url: str) -> str:
    return mine.psql("SELECT count(*) FROM lock_waiters", url.split("@/")[1].partition("?")[0])
