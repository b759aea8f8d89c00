"""Who waits is woken, gets his turn, and leaves no trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import pytest

from devbench_core.contracts.lock import Lock
from devbench_core.errors import TimedOut
from devbench_core.leases import LeasedLock
from devbench_core.testing.seeing import until
from devbench_store_sql.postgres.lock import listening
from harness import lock_holder

OpenLock = Callable[..., AbstractAsyncContextManager[LeasedLock]]
Ask = Callable[[str], Awaitable[str]]
TTL_S = 60.0
WAIT_S = 60.0
LONG_POLL_S = 30.0
SOON_S = LONG_POLL_S / 3
QUEUE = "SELECT count(*) FROM lock_waiters"
LISTENING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
)
CUT = LISTENING.replace("count(*)", "count(pg_terminate_backend(pid))")


async def hold_once(lock: Lock, seen: list[int]) -> None:
    async with lock.hold("k", ttl_s=TTL_S, wait_s=WAIT_S) as lease:
        seen.append(lease.token)
        await asyncio.sleep(0)


async def test_fifty_waiters_of_ten_hosts_all_get_it_one_after_another(opened: OpenLock):
    async with AsyncExitStack() as stack:
        locks = [await stack.enter_async_context(opened(poll_s=LONG_POLL_S)) for _ in range(10)]
        seen: list[int] = []
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*(hold_once(lock, seen) for lock in locks for _ in range(5)))
    assert len(seen) == 50
    assert seen == sorted(set(seen))


async def test_hosts_are_served_in_order_of_arrival(opened: OpenLock, ask: Ask):
    async with AsyncExitStack() as stack:
        locks = [await stack.enter_async_context(opened()) for _ in range(5)]
        served: list[int] = []

        async def wait(number: int) -> None:
            async with locks[number].hold("k", ttl_s=TTL_S, wait_s=WAIT_S):
                served.append(number)

        async with locks[0].hold("k", ttl_s=TTL_S, wait_s=WAIT_S):
            waiters: list[asyncio.Task[None]] = []
            for number in (3, 1, 4, 2):
                waiters.append(asyncio.create_task(wait(number)))
                await until(lambda: ask(QUEUE), str(len(waiters)).__eq__)
        await asyncio.gather(*waiters)
        assert served == [3, 1, 4, 2]


async def test_a_key_that_is_free_is_not_given_to_who_came_after_those_who_wait(opened: OpenLock, ask: Ask):
    async with opened() as lock:
        await ask(
            "INSERT INTO lock_waiters (owner, key, alive_until) VALUES ('elsewhere/1', 'k', 'infinity')"
        )
        with pytest.raises(TimedOut):
            async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
                pass
        await ask("UPDATE lock_waiters SET alive_until = now()")  # it is dead now
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
            pass
        assert await ask(QUEUE) == "0"


async def test_a_waiter_is_woken_at_once(opened: OpenLock, ask: Ask):
    async with opened(poll_s=LONG_POLL_S) as one, opened(poll_s=LONG_POLL_S) as other:
        await until(lambda: ask(LISTENING), "2".__eq__)
        seen: list[int] = []
        async with one.hold("k", ttl_s=TTL_S, wait_s=0):
            waiting = asyncio.create_task(hold_once(other, seen))
            await until(lambda: ask(QUEUE), "1".__eq__)
        async with asyncio.timeout(SOON_S):
            await waiting


async def test_who_was_not_woken_looks_for_himself(opened: OpenLock, ask: Ask):
    async with opened(poll_s=0.05) as one, opened(poll_s=0.05) as other:
        seen: list[int] = []
        async with one.hold("k", ttl_s=TTL_S, wait_s=0):
            waiting = asyncio.create_task(hold_once(other, seen))
            await until(lambda: ask(QUEUE), "1".__eq__)
            await ask(CUT)
        async with asyncio.timeout(SOON_S):
            await waiting


async def test_a_listener_whose_connection_was_cut_listens_again(opened: OpenLock, ask: Ask):
    async with opened(poll_s=LONG_POLL_S) as one, opened(poll_s=LONG_POLL_S) as other:
        await until(lambda: ask(LISTENING), "2".__eq__)
        await ask(CUT)
        await until(lambda: ask(LISTENING), "2".__eq__)
        seen: list[int] = []
        async with one.hold("k", ttl_s=TTL_S, wait_s=0):
            waiting = asyncio.create_task(hold_once(other, seen))
            await until(lambda: ask(QUEUE), "1".__eq__)
        async with asyncio.timeout(SOON_S):
            await waiting


async def test_who_gives_up_or_is_cancelled_leaves_the_queue(opened: OpenLock, ask: Ask):
    async with opened() as one, opened() as other:
        async with one.hold("k", ttl_s=TTL_S, wait_s=0):
            with pytest.raises(TimedOut):
                async with other.hold("k", ttl_s=TTL_S, wait_s=0.05):
                    pass
            assert await ask(QUEUE) == "0"
            waiting = asyncio.create_task(hold_once(other, []))
            await until(lambda: ask(QUEUE), "1".__eq__)
            waiting.cancel()
            await asyncio.wait({waiting})
            assert waiting.cancelled()
            assert await ask(QUEUE) == "0"
        async with other.hold("k", ttl_s=TTL_S, wait_s=0):
            pass


async def test_a_claim_cancelled_in_the_middle_of_anything_leaves_the_key_free(opened: OpenLock):
    async with opened() as one, opened() as other:
        for yields in range(12):
            claim = asyncio.create_task(hold_once(one, []))
            for _ in range(yields):
                await asyncio.sleep(0)
            claim.cancel()
            await asyncio.wait({claim})
            async with other.hold("k", ttl_s=TTL_S, wait_s=0):
                pass


async def test_a_killed_holders_key_is_free_when_its_lease_ends_and_not_a_poll_later(
    opened: OpenLock, url: str
):
    holder = await lock_holder.started(url, "k", ttl_s=0.5)
    token = int(await lock_holder.said(holder))
    holder.kill()
    await holder.wait()
    async with (
        opened(poll_s=LONG_POLL_S) as lock,
        asyncio.timeout(SOON_S),
        lock.hold("k", ttl_s=TTL_S, wait_s=WAIT_S) as lease,
    ):
        assert lease.token > token


async def test_a_waiter_that_was_killed_keeps_his_place_only_for_a_while(
    opened: OpenLock, url: str, ask: Ask
):
    async with opened(poll_s=0.1) as lock:
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
            waiter = await lock_holder.started(url, "k", ttl_s=60, poll_s=0.1)
            await until(lambda: ask(QUEUE), "1".__eq__)
            waiter.kill()
            await waiter.wait()
        async with asyncio.timeout(SOON_S), lock.hold("k", ttl_s=TTL_S, wait_s=WAIT_S):
            pass


LEASES = "SELECT string_agg(key, ' ' ORDER BY key) FROM lock_leases"
KILLED = """
INSERT INTO lock_waiters (owner, key, alive_until) SELECT 'killed/' || n, 'never again ' || n, now()
FROM generate_series(1, 2500) AS n;
INSERT INTO lock_leases (key, owner, token, ends_at) VALUES ('long ago', 'killed/0', 1, now() - interval '2 days');
INSERT INTO lock_leases (key, owner, token, ends_at) VALUES ('now', 'killed/0', 1, now());
"""


async def test_what_killed_processes_left_is_forgotten_while_a_lock_is_open(
    opened: OpenLock, ask: Ask, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(listening, "SILENCE_S", 0.05)
    async with opened() as lock, opened() as other:
        await ask(KILLED)
        async with lock.hold("k", ttl_s=TTL_S, wait_s=0):
            waiting = asyncio.create_task(hold_once(other, []))
            await until(lambda: ask(QUEUE), "1".__eq__)  # who lives keeps his place
        await waiting
        await until(lambda: ask(LEASES), "k now".__eq__)
