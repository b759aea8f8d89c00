"""Who waits is woken, gets his turn, and leaves no trace."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from devbench_core.contracts.lock import Lock
from devbench_core.errors import TimedOut
from devbench_core.testing.seeing import until
from devbench_lock_redis import wakeups
from harness import lock_holder
from harness.redis_locks import OpenLock, open_on
from harness.redis_server import RedisServer

TTL_S = 60.0
WAIT_S = 60.0
LONG_POLL_S = 30.0
SOON_S = LONG_POLL_S / 3


async def hold_once(lock: Lock, seen: list[int]) -> None:
    async with lock.hold("k", ttl_s=TTL_S, wait_s=WAIT_S) as lease:
        seen.append(lease.token)
        await asyncio.sleep(0)


async def hold_at_once(lock: Lock) -> None:
    async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
        pass


async def test_fifty_waiters_of_ten_hosts_all_get_it_one_after_another(open_lock: OpenLock):
    async with AsyncExitStack() as stack:
        locks = [await stack.enter_async_context(open_lock()) for _ in range(10)]
        seen: list[int] = []
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*(hold_once(lock, seen) for lock in locks for _ in range(5)))
    assert len(seen) == 50
    assert seen == sorted(set(seen))


async def test_hosts_are_served_in_order_of_arrival(
    open_lock: OpenLock, shared_server: RedisServer, prefix: str
):
    async with AsyncExitStack() as stack:
        locks = [await stack.enter_async_context(open_lock()) for _ in range(5)]
        served: list[int] = []

        async def wait(number: int) -> None:
            async with locks[number].hold("k", ttl_s=TTL_S, wait_s=WAIT_S):
                served.append(number)

        async with locks[0].hold("k", ttl_s=TTL_S, wait_s=WAIT_S):
            waiters: list[asyncio.Task[None]] = []
            for number in (3, 1, 4, 2):
                waiters.append(asyncio.create_task(wait(number)))
                await until(lambda: queue_of(shared_server, prefix), len(waiters).__eq__)
        await asyncio.gather(*waiters)
        assert served == [3, 1, 4, 2]


async def test_a_key_that_is_free_is_not_given_to_who_came_after_those_who_wait(
    lock: Lock, shared_server: RedisServer, prefix: str
):
    later_ms = (shared_server.ask("TIME")[0] + 60) * 1000
    shared_server.ask("ZADD", f"{prefix}queue:k", 1, "elsewhere/1")
    shared_server.ask("ZADD", f"{prefix}alive:k", later_ms, "elsewhere/1")
    with pytest.raises(TimedOut):
        await hold_at_once(lock)
    shared_server.ask("ZADD", f"{prefix}alive:k", 1, "elsewhere/1")  # it is dead now
    await hold_at_once(lock)


async def test_a_waiter_is_woken_and_does_not_poll(
    open_lock: OpenLock, shared_server: RedisServer, prefix: str
):
    async with open_lock(poll_s=LONG_POLL_S) as one, open_lock(poll_s=LONG_POLL_S) as other:
        seen: list[int] = []
        async with one.hold("k", ttl_s=TTL_S, wait_s=0):
            waiting = asyncio.create_task(hold_once(other, seen))
            await until(lambda: queue_of(shared_server, prefix), (1).__eq__)
            calls = calls_of(shared_server)
            await asyncio.sleep(0.3)  # the time in which nothing may happen
            assert calls_of(shared_server) == calls
        async with asyncio.timeout(SOON_S):
            await waiting


async def test_who_was_not_woken_looks_for_himself(
    open_lock: OpenLock, shared_server: RedisServer, prefix: str
):
    async with open_lock(poll_s=0.05) as one, open_lock(poll_s=0.05) as other:
        seen: list[int] = []
        async with one.hold("k", ttl_s=TTL_S, wait_s=0):
            waiting = asyncio.create_task(hold_once(other, seen))
            await until(lambda: queue_of(shared_server, prefix), (1).__eq__)
            shared_server.ask("CLIENT", "KILL", "TYPE", "pubsub")
        async with asyncio.timeout(SOON_S):
            await waiting


async def test_a_server_that_says_nothing_for_long_is_listened_to_anew(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(wakeups, "SILENCE_S", 0.1)
    listening = ("CLIENT LIST", "TYPE", "pubsub")
    async with open_on(server.url, poll_s=0.1, connect_timeout_s=0.2, command_timeout_s=0.2):
        first = (await until(lambda: server.ask(*listening)))[0]["id"]
        await until(lambda: server.ask(*listening)[0]["cmd"], "ping".__eq__)
        assert server.ask(*listening)[0]["id"] == first
        server.stop()
        await asyncio.sleep(0.5)  # the silence
        server.go_on()
        await until(
            lambda: [each["id"] for each in server.ask(*listening)], lambda ids: ids and first not in ids
        )


async def test_a_dead_holders_key_is_free_when_its_lease_ends_and_not_a_poll_later(server: RedisServer):
    holder = await lock_holder.started(server.url, "k", ttl_s=0.5)
    token = int(await lock_holder.said(holder))
    holder.kill()
    await holder.wait()
    async with (
        open_on(server.url, poll_s=LONG_POLL_S) as lock,
        asyncio.timeout(SOON_S),
        lock.hold("k", ttl_s=TTL_S, wait_s=WAIT_S) as lease,
    ):
        assert lease.token > token


async def test_a_waiter_who_died_keeps_his_place_only_for_a_while(server: RedisServer):
    async with open_on(server.url, poll_s=0.1) as lock:
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
            waiter = await lock_holder.started(server.url, "k", ttl_s=60, poll_s=0.1)
            await until(lambda: queue_of(server, "devbench:lock:"), (1).__eq__)
            waiter.kill()
            await waiter.wait()
        started = time.monotonic()
        async with lock.hold("k", ttl_s=TTL_S, wait_s=WAIT_S):
            assert time.monotonic() - started < SOON_S


async def test_who_gives_up_or_is_cancelled_leaves_the_queue(
    open_lock: OpenLock, shared_server: RedisServer, prefix: str
):
    async with open_lock() as one, open_lock() as other:
        async with one.hold("k", ttl_s=TTL_S, wait_s=0):
            with pytest.raises(TimedOut):
                async with other.hold("k", ttl_s=TTL_S, wait_s=0.05):
                    pass
            assert queue_of(shared_server, prefix) == 0
            waiting = asyncio.create_task(hold_once(other, []))
            await until(lambda: queue_of(shared_server, prefix), (1).__eq__)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled()
            assert queue_of(shared_server, prefix) == 0
        async with other.hold("k", ttl_s=TTL_S, wait_s=0):
            pass
    assert shared_server.ask("KEYS", f"{prefix}*") == [f"{prefix}token"]


async def test_a_claim_cancelled_in_the_middle_of_anything_leaves_the_key_free(open_lock: OpenLock):
    async with open_lock() as one, open_lock() as other:
        for yields in range(12):
            claim = asyncio.create_task(hold_once(one, []))
            for _ in range(yields):
                await asyncio.sleep(0)
            claim.cancel()
            await asyncio.wait({claim})
            async with other.hold("k", ttl_s=TTL_S, wait_s=0):
                pass


def queue_of(server: RedisServer, prefix: str) -> int:
    return server.ask("ZCARD", f"{prefix}queue:k")


def calls_of(server: RedisServer) -> int:
    about = server.ask("INFO", "commandstats")
    return about.get("cmdstat_evalsha", {}).get("calls", 0)
