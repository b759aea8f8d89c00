"""Leases that a store keeps: what a lock promises, exact among hosts that share the store."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.clock import SystemClock
from devbench_core.contracts.store import Fence
from devbench_core.errors import LeaseLost, LockFailed, StoreFailed, TimedOut
from devbench_core.leases import LeasedLock
from devbench_core.leases.claims import StoreKeeper
from devbench_core.memory import MemoryStore
from devbench_core.testing.fake import FakeClock, FakeStore
from devbench_core.testing.kit import LockContract

TTL_S = 60.0


def host(store: MemoryStore | FakeStore, name: str = "i_1", clock: FakeClock | None = None) -> LeasedLock:
    return LeasedLock(StoreKeeper(store, clock or SystemClock(), name), 0.02, clock or SystemClock())


@pytest.fixture
def lock() -> LeasedLock:
    return host(MemoryStore())


class TestClaims(LockContract):
    """Within one host; among several there is no queue."""


async def test_of_hosts_that_ask_at_once_one_gets_it():
    store = MemoryStore()
    held: list[int] = []

    async def ask(number: int) -> None:
        try:
            async with host(store, f"i_{number}").hold("k", ttl_s=TTL_S, wait_s=0):
                held.append(number)
                await asyncio.sleep(0.05)  # while the others ask
        except TimedOut:
            pass

    await asyncio.gather(*(ask(number) for number in range(10)))
    assert len(held) == 1


async def test_a_lease_whose_time_is_over_is_taken_by_another_and_lost_to_its_holder(clock: FakeClock):
    store = MemoryStore()
    one, other = host(store, "i_1", clock), host(store, "i_2", clock)

    async def hold() -> None:
        async with one.hold("k", ttl_s=TTL_S, wait_s=0) as first:
            with pytest.raises(TimedOut):
                async with other.hold("k", ttl_s=TTL_S, wait_s=0):
                    pass
            clock.pass_s(TTL_S + 1)
            async with other.hold("k", ttl_s=TTL_S, wait_s=0) as second:
                assert second.token > first.token

    with pytest.raises(LeaseLost):
        await hold()


async def test_tokens_go_on_above_those_of_another_lock_that_are_ahead(clock: FakeClock):
    store = MemoryStore()
    ahead = int(clock.now().timestamp() * 1e6) + 10**9
    await store.apply(Fence(key="k", token=ahead))
    async with host(store, clock=clock).hold("k", ttl_s=TTL_S, wait_s=0) as lease:
        assert lease.token == ahead + 1
        await store.apply(Fence(key="k", token=lease.token))


async def test_taking_a_lease_shuts_out_the_one_before(clock: FakeClock):
    store = MemoryStore()
    async with host(store, clock=clock).hold("k", ttl_s=TTL_S, wait_s=0) as first:
        pass
    async with host(store, "i_2", clock).hold("k", ttl_s=TTL_S, wait_s=0):
        with pytest.raises(LeaseLost):
            await store.apply(Fence(key="k", token=first.token))


async def test_a_store_that_fails_is_a_lock_that_failed(clock: FakeClock):
    store = FakeStore(clock)
    store.faults.fail("get", StoreFailed("the disk is full"))
    with pytest.raises(LockFailed):
        async with host(store, clock=clock).hold("k", ttl_s=TTL_S, wait_s=0):
            pass


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
