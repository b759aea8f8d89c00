"""A lock in this process that fails, waits, and loses its leases as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

from devbench_core.contracts.lock import Lease, Lock
from devbench_core.errors import LeaseLost
from devbench_core.memory.lock import LocalLock
from devbench_core.testing.fake.clock import FakeClock
from devbench_core.testing.fake.faults import Faults

LockCall = Literal["hold"]


class FakeLease:
    """A lease that can be taken away."""

    def __init__(self, real: Lease, holder: asyncio.Task[Any] | None) -> None:
        self._real = real
        self._holder = holder
        self.lost = False

    @property
    def key(self) -> str:
        """What is locked."""
        return self._real.key

    @property
    def token(self) -> int:
        """The fencing token."""
        return self._real.token

    def check(self) -> None:
        """Raise when it was taken away or given back."""
        if self.lost:
            raise _lost(self.key)
        self._real.check()

    def lose(self) -> None:
        """Take it away from its holder, who is told as by any lock."""
        if not self.lost:
            self.lost = True
            if self._holder is not None:
                self._holder.cancel()

    async def settle(self) -> None:
        """Raise for a holder who left the block before he was told."""
        if self.lost:
            await asyncio.sleep(0)  # where the cancellation arrives

    def is_why(self) -> bool:
        """Tell whether the holder was cancelled for this alone, and take that back."""
        return self.lost and (self._holder is None or self._holder.uncancel() == 0)


class FakeLock:
    """A `LocalLock` with faults.

    Attributes:
        faults: What happens to its calls, and which were made; ``hold`` has taken effect once the key is held.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        clock = clock or FakeClock()
        self.faults = Faults[LockCall](LockCall, clock)
        self._local = LocalLock(clock)
        self._held: dict[str, FakeLease] = {}

    @asynccontextmanager
    async def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AsyncGenerator[Lease, None]:
        """Hold a key for the block."""
        async with AsyncExitStack() as stack:
            async with self.faults.on("hold", key, ttl_s, wait_s):
                real = await stack.enter_async_context(self._local.hold(key, ttl_s=ttl_s, wait_s=wait_s))
            lease = self._held[key] = FakeLease(real, asyncio.current_task())
            try:
                try:
                    yield lease
                finally:
                    await lease.settle()
            except asyncio.CancelledError:
                if lease.is_why():
                    raise _lost(key) from None
                raise
            finally:
                del self._held[key]

    def lose(self, key: str) -> None:
        """Let the lease of a key be lost.

        Raises:
            ValueError: Nobody holds it; lists what is held.
        """
        if key not in self._held:
            raise ValueError(f"nobody holds {key!r}; held: {', '.join(sorted(self._held)) or 'nothing'}")
        self._held[key].lose()


def _lost(key: str) -> LeaseLost:
    return LeaseLost(f"the lease of {key!r} was lost", hint="hold the lock again")


if TYPE_CHECKING:
    _: type[Lock] = FakeLock
