"""What a lock promises."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager

import pytest

from devbench_core.contracts.lock import Lease, Lock
from devbench_core.errors import LeaseLost, TimedOut, ValidationFailed
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time

TTL_S = 5.0


LONG_S = 30.0


def hold(lock: Lock, key: str = "k", *, wait_s: float = LONG_S) -> AbstractAsyncContextManager[Lease]:
    return lock.hold(key, ttl_s=TTL_S, wait_s=wait_s)


async def _hold_once(lock: Lock) -> None:
    async with hold(lock):
        await asyncio.sleep(0)


@in_time
@pytest.mark.asyncio
@stated_by(Lock.hold)
class LockContract:
    """Everything that a lock promises. Needs the fixture ``lock``: an open lock on which nothing is held."""

    @stated_by((Lease, "key"), Lease.check)
    async def test_a_held_lease_names_its_key_and_holds(self, lock: Lock):
        async with hold(lock) as lease:
            assert lease.key == "k"
            lease.check()

    @stated_by(Lease.check)
    async def test_a_lease_that_was_given_back_is_lost(self, lock: Lock):
        async with hold(lock) as lease:
            pass
        with pytest.raises(LeaseLost, match="k"):
            lease.check()

    @stated_by((Lease, "token"))
    async def test_tokens_of_a_key_rise(self, lock: Lock):
        tokens: list[int] = []
        for _ in range(5):
            async with hold(lock) as lease:
                tokens.append(lease.token)
        assert tokens == sorted(set(tokens))

    async def test_one_holds_a_key_at_a_time(self, lock: Lock):
        holders: list[int] = []
        most = 0
        tokens: list[int] = []

        async def work(number: int) -> None:
            nonlocal most
            async with hold(lock) as lease:
                holders.append(number)
                tokens.append(lease.token)
                most = max(most, len(holders))
                await asyncio.sleep(0)
                holders.remove(number)

        await asyncio.gather(*(work(number) for number in range(50)))
        assert most == 1
        assert tokens == sorted(set(tokens))

    async def test_keys_do_not_wait_for_each_other(self, lock: Lock):
        async with hold(lock, "a"), hold(lock, "b", wait_s=0):
            pass

    async def test_waiters_are_served_in_order_of_arrival(self, lock: Lock):
        served: list[int] = []

        async def wait(number: int) -> None:
            async with hold(lock):
                served.append(number)

        async with hold(lock):
            tasks: list[asyncio.Task[None]] = []
            for number in range(20):
                tasks.append(asyncio.create_task(wait(number)))
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert served == list(range(20))

    async def test_nobody_overtakes_those_who_wait(self, lock: Lock):
        served: list[str] = []

        async def wait(name: str) -> None:
            async with hold(lock):
                served.append(name)

        async with hold(lock):
            first = asyncio.create_task(wait("first"))
            await asyncio.sleep(0)
        await wait("latecomer")
        await first
        assert served == ["first", "latecomer"]

    async def test_not_waiting_for_a_held_key_is_refused_at_once(self, lock: Lock):
        async with hold(lock):
            started = time.monotonic()
            with pytest.raises(TimedOut, match="'k'") as caught:
                async with hold(lock, wait_s=0):
                    pass
            assert time.monotonic() - started < 1
            assert caught.value.details == {"limit": 0}
            assert caught.value.retry is True

    async def test_waiting_ends_after_its_bound_and_leaves_no_trace(self, lock: Lock):
        async with hold(lock):
            with pytest.raises(TimedOut):
                async with hold(lock, wait_s=0.05):
                    pass
        async with hold(lock, wait_s=0):
            pass

    async def test_an_error_in_the_block_gives_the_key_back(self, lock: Lock):
        with pytest.raises(KeyError):
            async with hold(lock):
                raise KeyError
        async with hold(lock, wait_s=0):
            pass

    async def test_a_cancelled_holder_gives_the_key_to_the_next(self, lock: Lock):
        entered = asyncio.Event()

        async def block() -> None:
            async with hold(lock):
                entered.set()
                await asyncio.Event().wait()

        holder = asyncio.create_task(block())
        entering = asyncio.create_task(entered.wait())
        await asyncio.wait((holder, entering), return_when=asyncio.FIRST_COMPLETED)
        if not entered.is_set():
            entering.cancel()
            await holder  # raises what kept it from holding
        next_one = asyncio.create_task(_hold_once(lock))
        await asyncio.sleep(0)
        holder.cancel()
        await asyncio.wait_for(next_one, 5)
        assert holder.cancelled() or (await asyncio.gather(holder, return_exceptions=True))

    async def test_cancelled_waiters_are_passed_over_also_in_the_moment_of_their_turn(self, lock: Lock):
        for yields in range(4):
            async with hold(lock):
                waiters = [asyncio.create_task(_hold_once(lock)) for _ in range(3)]
                await asyncio.sleep(0)
            for _ in range(yields):
                await asyncio.sleep(0)
            for waiter in waiters[:2]:
                waiter.cancel()
            await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), 5)
            async with hold(lock, wait_s=0):
                pass

    async def test_the_same_task_cannot_hold_a_key_twice(self, lock: Lock):
        async with hold(lock):
            with pytest.raises(TimedOut):
                async with hold(lock, wait_s=0):
                    pass

    @pytest.mark.parametrize(
        ("key", "ttl_s", "wait_s", "field"),
        [
            ("", 1, 0, "key"),
            ("x" * 201, 1, 0, "key"),
            ("k", 0, 0, "ttl_s"),
            ("k", -1, 0, "ttl_s"),
            ("k", float("nan"), 0, "ttl_s"),
            ("k", 1, -1, "wait_s"),
            ("k", 1, float("nan"), "wait_s"),
        ],
    )
    async def test_wrong_arguments_are_refused_and_named(
        self, lock: Lock, key: str, ttl_s: float, wait_s: float, field: str
    ):
        with pytest.raises(ValidationFailed) as caught:
            async with lock.hold(key, ttl_s=ttl_s, wait_s=wait_s):
                pass
        assert caught.value.details["field"] == field
