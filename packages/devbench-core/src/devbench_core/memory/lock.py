"""A lock within one process: first come, first served, with rising tokens."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from devbench_core.clock import Clock
from devbench_core.contracts.checks import check_name
from devbench_core.contracts.lock import Lease, Lock
from devbench_core.errors import LeaseLost, TimedOut, ValidationFailed

MICROSECONDS = 1_000_000


class LocalLease:
    """A key that is held until its block is left; nothing outside the process can take it."""

    def __init__(self, key: str, token: int) -> None:
        self._key = key
        self._token = token
        self._held = True

    @property
    def key(self) -> str:
        """What is locked."""
        return self._key

    @property
    def token(self) -> int:
        """The fencing token."""
        return self._token

    def check(self) -> None:
        """Raise when the block was left."""
        if not self._held:
            raise LeaseLost(f"the lease of {self._key!r} was given back", hint="hold the lock again")

    def release(self) -> None:
        """Mark it as given back."""
        self._held = False


@attrs.define
class _Queue:
    held: bool = False
    waiters: deque[asyncio.Future[None]] = attrs.field(factory=deque["asyncio.Future[None]"])


class LocalLock:
    """Keys of this process. Tokens rise across all keys and are never reused.

    They begin with the time at which the lock was made, so that a store that outlives the process sees them rise
    across restarts as well.
    """

    def __init__(self, clock: Clock) -> None:
        self._queues: dict[str, _Queue] = {}
        self._tokens = int(clock.now().timestamp() * MICROSECONDS)

    @property
    def held(self) -> int:
        """How many keys are held."""
        return len(self._queues)

    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        """Hold a key for the block; ``ttl_s`` is only checked, since a holder dies with the process."""
        check_name("key", key)
        if not ttl_s > 0:
            raise ValidationFailed("ttl_s", "must be above 0")
        if not wait_s >= 0:
            raise ValidationFailed("wait_s", "must not be negative")
        await self._acquire(key, wait_s)
        self._tokens += 1
        lease = LocalLease(key, self._tokens)
        try:
            yield lease
        finally:
            lease.release()
            self._release(key)

    async def _acquire(self, key: str, wait_s: float) -> None:
        queue = self._queues.setdefault(key, _Queue())
        if not queue.held:
            queue.held = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.waiters.append(turn)
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._release(key)  # it was handed over in the very moment that we gave up
            elif turn in queue.waiters:
                queue.waiters.remove(turn)
            if isinstance(error, TimeoutError):
                raise TimedOut(
                    f"lock {key!r} was not free within {wait_s:g} s",
                    hint="try again",
                    details={"limit": wait_s},
                ) from error
            raise

    def _release(self, key: str) -> None:
        """Hand over to the next waiter, or forget the key."""
        queue = self._queues[key]
        while queue.waiters:
            turn = queue.waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        del self._queues[key]


if TYPE_CHECKING:
    _: type[Lock] = LocalLock
