"""A lease as its holder sees it: by his own clock it ends before the server gives the key to somebody else."""

from __future__ import annotations

import time

from devbench_core.errors import LeaseLost

DRIFT = 0.01
"""By which part of a lease the clocks of holder and server may have drifted apart while it lasted."""
SLACK_S = 0.002
"""What else is taken off: the server counts in whole milliseconds."""


def now_s() -> float:
    """Return seconds that never go back, and that pass while the machine is suspended, too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class HeldLease:
    """A key that is held until its end by the holder's clock, unless that is renewed or the key given back."""

    def __init__(self, key: str, owner: str, token: int, ttl_s: float) -> None:
        self._key = key
        self._token = token
        self._end_s = 0.0
        self._lost = False
        self._given_back = False
        self.owner = owner
        self.ttl_s = ttl_s

    @property
    def key(self) -> str:
        """What is locked."""
        return self._key

    @property
    def token(self) -> int:
        """The fencing token."""
        return self._token

    @property
    def left_s(self) -> float:
        """Seconds until it ends, 0 when it was lost."""
        return 0.0 if self.is_lost() else self._end_s - now_s()

    def begin(self, asked_s: float) -> None:
        """Let it last from when it was asked for: the server began to count at that moment or later."""
        self._end_s = asked_s + self.ttl_s * (1 - DRIFT) - SLACK_S

    def renew(self, asked_s: float) -> None:
        """Let it last longer; one that was lost in the meantime stays so, since somebody may have been told."""
        if not self.is_lost():
            self.begin(asked_s)

    def lose(self) -> None:
        """The server says that it is not ours."""
        self._lost = True

    def give_back(self) -> None:
        """The block was left."""
        self._given_back = True

    def is_lost(self) -> bool:
        """Tell whether it ended, or was taken, before it was given back."""
        self._lost = self._lost or (not self._given_back and now_s() >= self._end_s)
        return self._lost

    def lost(self) -> LeaseLost:
        """Return the error for its holder."""
        return LeaseLost(f"the lease of {self._key!r} was lost", hint="hold the lock again")

    def check(self) -> None:
        """Raise when it is no longer held."""
        if self._given_back:
            raise LeaseLost(f"the lease of {self._key!r} was given back", hint="hold the lock again")
        if self.is_lost():
            raise self.lost()
