"""What a server does for locks."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import Protocol

from devbench_core.leases.lease import HeldLease


class Keeper(Protocol):
    """Keeps leases, and a queue of those who wait for each key. Each call is bounded, and raises `LockFailed`.

    When a caller is cancelled a call that is under way comes to its end first, within a grace.
    """

    def owner(self) -> str:
        """Return a new name for one hold; a call that is repeated under the same name has happened once."""
        ...

    def expected(self, owner: str) -> AbstractContextManager[asyncio.Event]:
        """Give the event that is set when it is this waiter's turn, or when that is not known any more."""
        ...

    async def acquire(
        self, key: str, owner: str, *, ttl_s: float, floor: int, place_s: float
    ) -> tuple[int, float]:
        """Take a key that is free, and for which nobody waits who came before.

        Args:
            key: Which.
            owner: The hold.
            ttl_s: How long its lease lasts by the server's clock.
            floor: Tokens are greater than this.
            place_s: How long the hold keeps its place in the queue when the key is not to be had, 0 for not queueing.

        Returns:
            The token, 0 when the key is not to be had; and then how many seconds its lease has left, if any.
        """
        ...

    async def renew(self, lease: HeldLease) -> bool:
        """Let a lease last for its whole time again, asking once; tell whether it is still ours."""
        ...

    async def release(self, key: str, owner: str) -> bool:
        """Free the key, or leave the queue, and wake who is next. Tell whether there was a lease of ours."""
        ...

    async def release_once(self, key: str, owner: str) -> bool:
        """Do the same asking once, in a moment."""
        ...
