"""Leases on Redis: each step is a script."""

from __future__ import annotations

import asyncio
import itertools
import math
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from devbench_core.finishing import GRACE_S
from devbench_core.leases.keeper import Keeper
from devbench_core.leases.keeping import RENEWALS
from devbench_core.leases.lease import HeldLease
from devbench_lock_redis.names import Names
from devbench_lock_redis.scripts import ACQUIRE, RELEASE, RENEW
from devbench_lock_redis.server import Server
from devbench_lock_redis.wakeups import Wakeups


class RedisKeeper:
    """Keys of all processes that share a server, a database and a prefix."""

    def __init__(self, server: Server, names: Names, wakeups: Wakeups) -> None:
        self._server = server
        self._names = names
        self._wakeups = wakeups
        self._numbers = itertools.count(1)

    def owner(self) -> str:
        """Return a new name for one hold."""
        return self._names.owner(next(self._numbers))

    def expected(self, owner: str) -> AbstractContextManager[asyncio.Event]:
        """Give the event that is set when it is this waiter's turn."""
        return self._wakeups.expected(owner)

    async def acquire(
        self, key: str, owner: str, *, ttl_s: float, floor: int, place_s: float
    ) -> tuple[int, float]:
        """Take a key that is free, and for which nobody waits who came before."""
        ttl_ms, place_ms = math.ceil(ttl_s * 1000), math.ceil(place_s * 1000)
        arguments: list[str | int] = [owner, ttl_ms, floor, place_ms, self._names.channels]
        token, left_ms = await self._server.run(ACQUIRE, self._names.of(key), arguments)
        return token, left_ms / 1000

    async def renew(self, lease: HeldLease) -> bool:
        """Let a lease last for its whole time again."""
        return bool(
            await self._server.run(
                RENEW,
                self._names.of(lease.key)[:1],
                [f"{lease.owner} {lease.token}", math.ceil(lease.ttl_s * 1000)],
                limit_s=lease.ttl_s / RENEWALS,  # so that there is time for another try
                retries=0,
                grace_s=0,  # whoever ends the block need not know what became of it
            )
        )

    async def release(self, key: str, owner: str) -> bool:
        """Free the key, or leave the queue, and wake who is next."""
        return bool(await self._server.run(RELEASE, *self._names.release(key, owner)))

    async def release_once(self, key: str, owner: str) -> bool:
        """Do the same asking once."""
        names = self._names.release(key, owner)
        return bool(await self._server.run(RELEASE, *names, limit_s=GRACE_S, retries=0))


if TYPE_CHECKING:
    _: type[Keeper] = RedisKeeper
