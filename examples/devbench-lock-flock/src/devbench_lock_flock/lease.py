"""A key that is held, and the watch over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from devbench_core.contracts.lock import Lease
from devbench_core.errors import LeaseLost
from devbench_lock_flock.file import KeyFile

LOOKS_PER_TTL = 3


class FlockLease:
    """Held until its block is left, or its file is removed by somebody."""

    def __init__(self, key: str, token: int, file: KeyFile) -> None:
        self._key = key
        self._token = token
        self._file = file
        self._given_back = False

    @property
    def key(self) -> str:
        """What is locked."""
        return self._key

    @property
    def token(self) -> int:
        """The fencing token."""
        return self._token

    def is_held(self) -> bool:
        """Tell whether nobody else can hold the key."""
        return not self._given_back and self._file.is_in_place()

    def check(self) -> None:
        """Raise when somebody else can."""
        if not self.is_held():
            raise LeaseLost(f"the lease of {self._key!r} is no longer held", hint="hold the lock again")

    def end(self) -> None:
        """Take note that it was given back."""
        self._given_back = True


@asynccontextmanager
async def watched(lease: FlockLease, ttl_s: float) -> AsyncGenerator[None, None]:
    """Cancel the block, and raise from it, when its lease is lost."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        nonlocal next_look
        if lease.is_held():
            next_look = loop.call_later(ttl_s / LOOKS_PER_TTL, look)
        else:
            scope.reschedule(loop.time())

    scope = asyncio.timeout(None)
    try:
        async with scope:
            next_look = loop.call_later(ttl_s / LOOKS_PER_TTL, look)
            try:
                yield
            finally:
                next_look.cancel()
        lease.check()  # also for a block that was left before anybody looked
    except TimeoutError:
        if scope.expired():
            lease.check()
        raise
    finally:
        lease.end()


if TYPE_CHECKING:
    _: type[Lease] = FlockLease
