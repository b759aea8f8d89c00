"""Locks of all processes on this machine: a file for each key, locked by the kernel while a lease is held."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING

from devbench_core.contracts.checks import check_name
from devbench_core.contracts.lock import Lease, Lock
from devbench_core.contracts.provider import OpenContext
from devbench_core.errors import TimedOut, ValidationFailed
from devbench_lock_flock.file import KeyFile
from devbench_lock_flock.lease import FlockLease, watched

POLL_S = 0.02
MICROSECONDS = 1_000_000


class FlockLock:
    """Within this process keys are served in order; other processes are polled for.

    The kernel gives a file back when the process that locked it dies, so nothing needs to be renewed or to expire.
    """

    def __init__(self, context: OpenContext) -> None:
        self._clock = context.clock
        self._folder = context.state_dir / "locks"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._turns: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        """Hold a key for the block."""
        check_name("key", key)
        if not ttl_s > 0:
            raise ValidationFailed("ttl_s", "must be above 0")
        if not wait_s >= 0:
            raise ValidationFailed("wait_s", "must not be negative")
        deadline = asyncio.get_running_loop().time() + wait_s
        async with self._turn(key, wait_s, deadline):
            file = await self._taken(key, wait_s, deadline)
            try:
                lease = FlockLease(
                    key, file.next_token(int(self._clock.now().timestamp() * MICROSECONDS)), file
                )
                async with watched(lease, ttl_s):
                    yield lease
            finally:
                file.give_back()

    @asynccontextmanager
    async def _turn(self, key: str, wait_s: float, deadline: float) -> AsyncGenerator[None, None]:
        """Wait for those of this process who came before."""
        turn = self._turns.setdefault(key, asyncio.Lock())
        self._users[key] += 1
        try:
            try:
                async with asyncio.timeout_at(deadline):
                    await turn.acquire()
            except TimeoutError as error:
                raise _late(key, wait_s) from error
            try:
                yield
            finally:
                turn.release()
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._turns[key]

    async def _taken(self, key: str, wait_s: float, deadline: float) -> KeyFile:
        """Wait for other processes."""
        path = self._folder / sha256(key.encode()).hexdigest()
        while True:
            file = KeyFile.take(path)
            if file is not None:
                return file
            rest_s = deadline - asyncio.get_running_loop().time()
            if rest_s <= 0:
                raise _late(key, wait_s)
            await asyncio.sleep(min(POLL_S, rest_s))


def _late(key: str, wait_s: float) -> TimedOut:
    return TimedOut(
        f"lock {key!r} was not free within {wait_s:g} s", hint="try again", details={"limit": wait_s}
    )


if TYPE_CHECKING:
    _: type[Lock] = FlockLock
