"""Leases as records of the store, for hosts that share a store and no lock.

Each step is a look and a change that expects what was seen, so two cannot both take a lease. The hosts' own clocks say
when one ends: on one machine they are one clock, and elsewhere the fence makes good what they differ by.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from devbench_core.clock import Clock
from devbench_core.contracts.store import ABSENT, Fence, Put, Record, Store
from devbench_core.errors import Conflict, LockFailed, StaleToken, StoreFailed
from devbench_core.finishing import finished
from devbench_core.json_types import JsonObject
from devbench_core.leases.bells import Bells
from devbench_core.leases.keeper import Keeper
from devbench_core.leases.lease import HeldLease
from devbench_core.memory.lock import MICROSECONDS

T = TypeVar("T")
KIND = "lease"
NOBODY = ""


class StoreKeeper:
    """Keeps leases in a store; whoever waits looks again and again, in no order."""

    def __init__(self, store: Store, clock: Clock, instance: str) -> None:
        self._store = store
        self._clock = clock
        self._instance = f"{instance}/{secrets.token_hex(4)}"  # a process may have several keepers
        self._numbers = itertools.count(1)
        self._bells = Bells()

    def owner(self) -> str:
        """Return a new name for one hold."""
        return f"{self._instance}/{next(self._numbers)}"

    def expected(self, owner: str) -> AbstractContextManager[asyncio.Event]:
        """Give an event that nobody sets."""
        return self._bells.expected(owner)

    async def acquire(
        self, key: str, owner: str, *, ttl_s: float, floor: int, place_s: float
    ) -> tuple[int, float]:
        """Take a key that is free; there is no queue."""
        _ = place_s
        return await _done(self._acquire(key, owner, ttl_s, floor))

    async def renew(self, lease: HeldLease) -> bool:
        """Let a lease last for its whole time again."""
        return await _done(self._change(lease.key, lease.owner, lease.ttl_s))

    async def release(self, key: str, owner: str) -> bool:
        """Free the key."""
        return await _done(self._change(key, owner, 0))

    async def release_once(self, key: str, owner: str) -> bool:
        """Free the key."""
        return await self.release(key, owner)

    async def _acquire(self, key: str, owner: str, ttl_s: float, floor: int) -> tuple[int, float]:
        record = await self._store.get(KIND, key)
        now = self._clock.now()
        last = 0
        if record is not None:
            last = _token(record)
            if record.data["owner"] == owner:
                return last, 0.0
            left_s = (_end(record) - now).total_seconds()
            if record.data["owner"] != NOBODY and left_s > 0:
                return 0, left_s
        token = max(int(now.timestamp() * MICROSECONDS), last + 1, floor + 1)
        try:
            try:
                await self._take(key, owner, token, ttl_s, record)
            except StaleToken as stale:  # of another kind of lock, whose tokens are ahead
                token = int(str(stale.details["greatest"])) + 1
                await self._take(key, owner, token, ttl_s, record)
        except (Conflict, StaleToken):
            return 0, 0.0  # somebody was faster
        return token, 0.0

    async def _take(self, key: str, owner: str, token: int, ttl_s: float, found: Record | None) -> None:
        revision = ABSENT if found is None else found.revision
        await self._store.apply(self._put(key, owner, token, ttl_s, revision), Fence(key=key, token=token))

    async def _change(self, key: str, owner: str, ttl_s: float) -> bool:
        """Move the end of our lease, to now for none; tell whether it was ours."""
        record = await self._store.get(KIND, key)
        if record is None or record.data["owner"] != owner:
            return False
        holder = owner if ttl_s else NOBODY
        try:
            await self._store.apply(self._put(key, holder, _token(record), ttl_s, record.revision))
        except Conflict:
            return False
        return True

    def _put(self, key: str, owner: str, token: int, ttl_s: float, revision: int) -> Put:
        ends_at = self._clock.now() + timedelta(seconds=ttl_s)
        data: JsonObject = {"owner": owner, "token": token, "ends_at": ends_at.isoformat()}
        return Put(kind=KIND, key=key, data=data, expect=revision)


async def _done(step: Coroutine[Any, Any, T]) -> T:
    try:
        return await finished(step)
    except StoreFailed as error:
        raise LockFailed(error.message, hint=error.hint) from error


def _token(record: Record) -> int:
    return int(str(record.data["token"]))


def _end(record: Record) -> datetime:
    return datetime.fromisoformat(str(record.data["ends_at"]))


if TYPE_CHECKING:
    _: type[Keeper] = StoreKeeper
