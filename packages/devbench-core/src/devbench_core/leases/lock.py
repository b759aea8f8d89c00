"""The lock: first come, first served within a process, and between the first of each in the server's queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from devbench_core.clock import Clock
from devbench_core.contracts.lock import Lease, Lock
from devbench_core.errors import LockFailed, TimedOut, ValidationFailed
from devbench_core.leases.keeper import Keeper
from devbench_core.leases.keeping import kept
from devbench_core.leases.lease import HeldLease, now_s
from devbench_core.logs import get_logger
from devbench_core.memory.lock import LocalLock

log = get_logger(__name__)
TTL_MAX_S = 365 * 24 * 3600
PLACES = 3
"""A waiter's place in the queue lasts for this many polls."""
PAUSE_MIN_S = 0.01
"""The least time between two looks of one waiter, whatever time the lease has left."""


class LeasedLock:
    """Keys of all processes that share a server.

    Args:
        keeper: Speaks with the server.
        poll_s: How long a waiter relies on being woken before he looks for himself.
        clock: Where time comes from.
    """

    def __init__(self, keeper: Keeper, poll_s: float, clock: Clock) -> None:
        self._keeper = keeper
        self._poll_s = poll_s
        self._turns = LocalLock(clock)
        self._highest = 0

    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        """Hold a key for the block.

        Of those in this process who want the same key only the first asks the server.
        """
        if ttl_s > TTL_MAX_S:
            raise ValidationFailed("ttl_s", f"must be at most {TTL_MAX_S}", limit=TTL_MAX_S)
        until_s = now_s() + wait_s
        async with self._turns.hold(key, ttl_s=ttl_s, wait_s=wait_s):
            lease = await self._acquired(key, ttl_s, until_s, wait_s)
            try:
                async with kept(lease, self._renew):
                    yield lease
            finally:
                await self._give_back(lease)
            if lease.is_lost():
                raise lease.lost()

    async def _acquired(self, key: str, ttl_s: float, until_s: float, wait_s: float) -> HeldLease:
        owner = self._keeper.owner()
        try:
            return await self._acquire(key, owner, ttl_s, until_s, wait_s)
        except BaseException:
            with suppress(LockFailed):  # perhaps it was ours by now, and certainly our place in the queue was
                await self._keeper.release_once(key, owner)
            raise

    async def _acquire(self, key: str, owner: str, ttl_s: float, until_s: float, wait_s: float) -> HeldLease:
        with self._keeper.expected(owner) as turn:
            while True:
                turn.clear()
                asked_s = now_s()
                place_s = self._poll_s * PLACES if asked_s < until_s else 0
                token, left_s = await self._keeper.acquire(
                    key, owner, ttl_s=ttl_s, floor=self._highest, place_s=place_s
                )
                if token:
                    self._highest = max(self._highest, token)
                    lease = HeldLease(key, owner, token, ttl_s)
                    lease.begin(asked_s)
                    if lease.is_lost():  # the answer took longer than it lasts: nobody must work under it
                        raise lease.lost()
                    return lease
                rest_s = until_s - now_s()
                if rest_s <= 0:
                    raise TimedOut(
                        f"lock {key!r} was not free within {wait_s:g} s",
                        hint="try again",
                        details={"limit": wait_s},
                    )
                pause_s = max(left_s, PAUSE_MIN_S) if left_s > 0 else self._poll_s
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(rest_s, pause_s, self._poll_s)):
                        await turn.wait()

    async def _renew(self, lease: HeldLease) -> None:
        asked_s = now_s()
        if await self._keeper.renew(lease):
            lease.renew(asked_s)
        else:
            lease.lose()

    async def _give_back(self, lease: HeldLease) -> None:
        """Free the key for others; one that was lost is theirs already, or is going to be in a moment."""
        if lease.is_lost():
            lease.give_back()
            return
        try:
            if not await self._keeper.release_once(lease.key, lease.owner):
                lease.lose()
        except LockFailed:
            await self._give_back_again(lease)
        finally:
            lease.give_back()

    async def _give_back_again(self, lease: HeldLease) -> None:
        """Try again. An answer of "not yours" says nothing now: the first try may have given it back."""
        try:
            async with asyncio.timeout(lease.left_s):  # then it is free by itself
                await self._keeper.release(lease.key, lease.owner)
        except (LockFailed, TimeoutError) as error:
            log.warning("lease.not_given_back", key=lease.key, free_in_s=lease.ttl_s, error=str(error))


if TYPE_CHECKING:
    _: type[Lock] = LeasedLock
