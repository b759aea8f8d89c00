"""Leases in a table: each step is one statement."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from devbench_core.contracts.checks import SEQ_MAX
from devbench_core.finishing import GRACE_S
from devbench_core.leases.keeper import Keeper
from devbench_core.leases.keeping import RENEWALS
from devbench_core.leases.lease import HeldLease
from devbench_store_sql.postgres.lock.listening import CHANNELS, Listening
from devbench_store_sql.postgres.lock.server import Server
from devbench_store_sql.postgres.lock.statements import ACQUIRE, QUEUE, RELEASE, RENEW

LAST = SEQ_MAX
"""The place of who does not stand in the queue."""


class PostgresKeeper:
    """Keys of all processes that share a database."""

    def __init__(self, server: Server, listening: Listening) -> None:
        self._server = server
        self._listening = listening
        self._numbers = itertools.count(1)

    def owner(self) -> str:
        """Return a new name for one hold; the server finds our channel by it."""
        return f"{self._listening.instance}/{next(self._numbers)}"

    def expected(self, owner: str) -> AbstractContextManager[asyncio.Event]:
        """Give the event that is set when it is this waiter's turn."""
        return self._listening.expected(owner)

    async def acquire(
        self, key: str, owner: str, *, ttl_s: float, floor: int, place_s: float
    ) -> tuple[int, float]:
        """Take a key that is free, and for which nobody waits who came before.

        Who does not get it queues, and asks once more: it may have been freed before he stood there to be told.
        """
        token, left_s = await self._take(key, owner, ttl_s, floor, LAST)
        if token or not place_s:
            return token, left_s
        row = await self._server.run(QUEUE, key, owner, place_s)
        place = LAST if row is None else int(row[0])
        return await self._take(key, owner, ttl_s, floor, place)

    async def _take(self, key: str, owner: str, ttl_s: float, floor: int, place: int) -> tuple[int, float]:
        row = await self._server.run(ACQUIRE, key, owner, ttl_s, floor, place)
        return (0, 0.0) if row is None else (int(row[0]), float(row[1]))

    async def renew(self, lease: HeldLease) -> bool:
        """Let a lease last for its whole time again."""
        row = await self._server.run(
            RENEW,
            lease.key,
            lease.owner,
            lease.token,
            lease.ttl_s,
            limit_s=lease.ttl_s / RENEWALS,  # so that there is time for another try
            retries=0,
            grace_s=0,  # whoever ends the block need not know what became of it
        )
        return row is not None

    async def release(self, key: str, owner: str) -> bool:
        """Free the key, or leave the queue, and wake who is next."""
        row = await self._server.run(RELEASE, key, owner, CHANNELS)
        return bool(row and row[0])

    async def release_once(self, key: str, owner: str) -> bool:
        """Do the same asking once."""
        row = await self._server.run(RELEASE, key, owner, CHANNELS, limit_s=GRACE_S, retries=0)
        return bool(row and row[0])


if TYPE_CHECKING:
    _: type[Keeper] = PostgresKeeper
