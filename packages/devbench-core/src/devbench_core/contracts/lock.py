"""Locks are leases: they end by themselves, and a fencing token tells an old holder from a new one."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = ["Lease", "Lock"]


class Lease(Protocol):
    """A lock that is held."""

    @property
    def key(self) -> str:
        """What is locked."""
        ...

    @property
    def token(self) -> int:
        """The fencing token: greater than that of every earlier lease of this key."""
        ...

    def check(self) -> None:
        """Raise when the lease is no longer held.

        Raises:
            LeaseLost: It expired or was taken over; stop the work.
        """
        ...


class Lock(Protocol):
    """Mutual exclusion by key."""

    def hold(self, key: str, *, ttl_s: float, wait_s: float) -> AbstractAsyncContextManager[Lease]:
        """Hold a key for the length of a ``with`` block; the lease is renewed while the block runs.

        Waiters are served in order of arrival, as far as the backend can. Leaving the block releases the key.
        When the lease is lost inside the block, the block's task is cancelled and `LeaseLost` raised from it.

        Args:
            key: Up to 200 characters.
            ttl_s: How long others wait after a holder died, in seconds.
            wait_s: How long to wait for the key, 0 for not at all.

        Raises:
            TimedOut: The key was not free within ``wait_s``.
            LeaseLost: The lease was lost while held.
            LockFailed: What keeps the locks did not answer, or refused; it was not waited for longer than its own
                settings say.
        """
        ...
