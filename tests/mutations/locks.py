"""Faults of locks, seeded into the lock of a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from devbench_core.clock import SystemClock
from devbench_core.contracts.lock import Lease, Lock
from devbench_core.errors import DevbenchError, LeaseLost, TimedOut, ValidationFailed
from devbench_core.memory.lock import LocalLease, LocalLock

FAULTS: dict[str, Callable[[], Lock]] = {}
"""By the sentence that says what is wrong."""

FOREVER_S = 1e6


def fault(sentence: str) -> Callable[[type[LocalLock]], type[LocalLock]]:
    """Enter a faulty lock."""

    def enter(cls: type[LocalLock]) -> type[LocalLock]:
        FAULTS[sentence] = lambda: cls(SystemClock())
        return cls

    return enter


@fault("two hold a key at once")
class _Open(LocalLock):
    async def _acquire(self, key: str, wait_s: float) -> None:
        self._queues.pop(key, None)  # as if nobody held it
        await super()._acquire(key, wait_s)

    def _release(self, key: str) -> None:
        self._queues.pop(key, None)


@fault("the token is always the same")
class _Constant(LocalLock):
    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        async with super().hold(key, ttl_s=ttl_s, wait_s=wait_s) as lease:
            self._tokens = 7
            held = LocalLease(lease.key, 7)
            yield held
            held.release()


@fault("tokens fall")
class _Falling(LocalLock):
    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        async with super().hold(key, ttl_s=ttl_s, wait_s=wait_s):
            self._tokens -= 2
            held = LocalLease(key, self._tokens)
            yield held
            held.release()


@fault("a lease never expires: it holds after it was given back")
class _Eternal(LocalLock):
    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        async with super().hold(key, ttl_s=ttl_s, wait_s=wait_s) as lease:
            yield LocalLease(key, lease.token)


@fault("a lease is lost although it is held")
class _Stillborn(LocalLock):
    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        async with super().hold(key, ttl_s=ttl_s, wait_s=wait_s) as lease:
            dead = LocalLease(key, lease.token)
            dead.release()
            yield dead


@fault("a lease names another key")
class _Misnamed(LocalLock):
    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        async with super().hold(key, ttl_s=ttl_s, wait_s=wait_s) as lease:
            held = LocalLease(f"lock:{key}", lease.token)
            yield held
            held.release()


@fault("all keys are one")
class _Global(LocalLock):
    async def _acquire(self, key: str, wait_s: float) -> None:
        await super()._acquire("all", wait_s)

    def _release(self, key: str) -> None:
        super()._release("all")


@fault("waiting has no end")
class _Patient(LocalLock):
    async def _acquire(self, key: str, wait_s: float) -> None:
        await super()._acquire(key, FOREVER_S)


@fault("nobody waits: a held key is refused at once")
class _Impatient(LocalLock):
    async def _acquire(self, key: str, wait_s: float) -> None:
        await super()._acquire(key, 0)


@fault("the end of waiting is Python's own TimeoutError")
class _Foreign(LocalLock):
    async def _acquire(self, key: str, wait_s: float) -> None:
        try:
            await super()._acquire(key, wait_s)
        except TimedOut as error:
            raise TimeoutError(error.message) from None


@fault("who came last is served first")
class _Stack(LocalLock):
    def _release(self, key: str) -> None:
        self._queues[key].waiters.reverse()
        super()._release(key)


@fault("a latecomer overtakes those who wait")
class _Barging(LocalLock):
    async def _acquire(self, key: str, wait_s: float) -> None:
        queue = self._queues.get(key)
        if queue is None or not queue.waiters or queue.held:
            return await super()._acquire(key, wait_s)
        return None

    def _release(self, key: str) -> None:
        queue = self._queues[key]
        waiters = [turn for turn in queue.waiters if not turn.done()]
        if not waiters:
            return super()._release(key)
        queue.held = False
        asyncio.get_running_loop().call_later(0.01, self._wake, key)
        return None

    def _wake(self, key: str) -> None:
        self._queues[key].held = True
        super()._release(key)


@fault("an error in the block keeps the key")
class _Stuck(LocalLock):
    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        holding = super().hold(key, ttl_s=ttl_s, wait_s=wait_s)
        lease = await holding.__aenter__()
        yield lease
        await holding.__aexit__(None, None, None)


@fault("a waiter who gave up is handed the key all the same")
class _Haunted(LocalLock):
    def _release(self, key: str) -> None:
        queue = self._queues[key]
        while queue.waiters:
            turn = queue.waiters.popleft()
            if turn.cancelled():
                return
            if not turn.done():
                turn.set_result(None)
                return
        del self._queues[key]

    async def _acquire(self, key: str, wait_s: float) -> None:
        queue = self._queues.get(key)
        if queue is None:
            return await super()._acquire(key, wait_s)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.waiters.append(turn)
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except TimeoutError as error:
            raise TimedOut(f"lock {key!r} was not free", details={"limit": wait_s}) from error
        return None


@fault("arguments are not checked")
class _Trusting(LocalLock):
    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        with suppress(ValueError):
            ttl_s, wait_s = max(ttl_s, 1), max(wait_s, 0)
        async with super().hold(key[:200] or "k", ttl_s=ttl_s, wait_s=wait_s) as lease:
            yield lease


@fault("wrong arguments are refused without naming the field")
class _Vague(LocalLock):
    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        try:
            async with super().hold(key, ttl_s=ttl_s, wait_s=wait_s) as lease:
                yield lease
        except ValidationFailed as error:
            raise ValidationFailed("arguments", error.message) from None


@fault("the same task may hold a key twice")
class _Reentrant(LocalLock):
    def __init__(self, clock: SystemClock) -> None:
        super().__init__(clock)
        self._owners: dict[str, object] = {}

    async def _acquire(self, key: str, wait_s: float) -> None:
        me = asyncio.current_task()
        if self._owners.get(key) is not me:
            await super()._acquire(key, wait_s)
            self._owners[key] = me

    def _release(self, key: str) -> None:
        self._owners.pop(key, None)
        if key in self._queues:
            super()._release(key)


@fault("a lost lease raises an error of its own")
class _Private(LocalLock):
    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        async with super().hold(key, ttl_s=ttl_s, wait_s=wait_s) as lease:
            yield _PrivateLease(lease)


class _PrivateLease:
    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self.key, self.token = lease.key, lease.token

    def check(self) -> None:
        try:
            self._lease.check()
        except LeaseLost as error:
            raise DevbenchError(error.message) from None
