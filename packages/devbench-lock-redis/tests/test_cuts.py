"""Connections break, answers are lost, scripts are forgotten: what was asked for happens once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from devbench_core.errors import LockFailed
from devbench_core.leases import LeasedLock
from devbench_core.leases.lease import HeldLease
from devbench_core.testing.seeing import until
from devbench_lock_redis.scripts import ACQUIRE, RELEASE, RENEW, Script
from harness.losing_proxy import Proxy
from harness.redis_locks import open_on
from harness.redis_server import RedisServer

TTL_S = 30.0


class Holders:
    """Counts how many there are at once."""

    def __init__(self) -> None:
        self._now = 0
        self.most = 0
        self.tokens: list[int] = []

    async def hold(self, lock: LeasedLock) -> None:
        async with lock.hold("k", ttl_s=TTL_S, wait_s=TTL_S) as lease:
            self._now += 1
            self.most = max(self.most, self._now)
            self.tokens.append(lease.token)
            await asyncio.sleep(0.02)  # for the next cut
            self._now -= 1


async def hold_once(lock: LeasedLock) -> int:
    async with lock.hold("k", ttl_s=TTL_S, wait_s=TTL_S) as lease:
        lease.check()
        return lease.token


async def test_connections_that_are_killed_while_nothing_is_asked_are_made_again(server: RedisServer):
    async with open_on(server.url, retries=1) as lock:
        await hold_once(lock)
        async with lock.hold("other", ttl_s=TTL_S, wait_s=0) as lease:
            server.ask("CLIENT", "KILL", "TYPE", "normal")
            await hold_once(lock)
            lease.check()


async def test_connections_that_are_killed_all_the_time_keep_no_waiter_from_his_turn(server: RedisServer):
    async with open_on(server.url, retries=10, poll_s=0.1) as one, open_on(server.url, retries=10) as other:
        holders = Holders()
        waiters = asyncio.gather(*(holders.hold(lock) for lock in (one, other) for _ in range(5)))
        while not waiters.done():
            server.ask("CLIENT", "KILL", "TYPE", "normal")
            server.ask("CLIENT", "KILL", "TYPE", "pubsub")
            await asyncio.sleep(0.03)  # how often, not until when
        await waiters
        assert holders.most == 1
        assert holders.tokens == sorted(set(holders.tokens))
        assert len(holders.tokens) == 10


@pytest.mark.parametrize("script", [ACQUIRE, RELEASE], ids=["acquire", "release"])
async def test_a_step_whose_answer_is_lost_has_happened_once(
    server: RedisServer, tmp_path: Path, script: Script
):
    way = Proxy(server.socket)
    async with way.at(server.folder / "way.sock") as url, open_on(url) as lock, open_on(server.url) as other:
        first = await hold_once(lock)
        way.loses_answers_to, way.losses = script.sha.encode(), 1
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0) as lease:
            assert lease.token > first
            assert server.ask("GET", "devbench:lock:token") == str(lease.token)
        assert way.losses == 0
        async with other.hold("k", ttl_s=TTL_S, wait_s=0):
            pass


async def test_a_lease_whose_renewals_are_not_answered_is_kept_by_the_next_one(server: RedisServer):
    way = Proxy(server.socket)
    async with way.at(server.folder / "way.sock") as url, open_on(url) as lock:
        await hold_once(lock)
        async with lock.hold("k", ttl_s=3, wait_s=0) as lease:
            way.loses_answers_to, way.losses = RENEW.sha.encode(), 2
            await until(lambda: way.losses, (0).__eq__)
            await until(lambda: server.ask("PTTL", "devbench:lock:lease:k"), (2600).__lt__)
            assert isinstance(lease, HeldLease)
            await until(lambda: lease.left_s, (2.6).__lt__)


async def test_flushed_scripts_are_sent_again(server: RedisServer):
    async with open_on(server.url) as lock:
        await hold_once(lock)
        server.ask("SCRIPT", "FLUSH")
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
            server.ask("SCRIPT", "FLUSH")
        async with lock.hold("k", ttl_s=3, wait_s=0) as lease:
            server.ask("SCRIPT", "FLUSH")
            assert isinstance(lease, HeldLease)
            await until(lambda: lease.left_s, (2.3).__gt__)
            await until(lambda: lease.left_s, (2.6).__lt__)


async def test_a_script_that_redis_refuses_is_told_and_not_repeated(server: RedisServer):
    server.ask("CONFIG", "SET", "maxmemory", "1")
    async with open_on(server.url) as lock:
        with pytest.raises(LockFailed, match="has no memory left") as caught:
            await hold_once(lock)
        assert "maxmemory" in caught.value.hint
