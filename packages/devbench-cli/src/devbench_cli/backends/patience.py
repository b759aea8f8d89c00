"""How long an answer of a host is waited for, how long a call is tried again, and how soon."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import attrs

FIRST_WAIT_S = 0.1
"""The first pause at most; each further one may be twice as long."""
DOUBLINGS_MAX = 20


@attrs.frozen(kw_only=True)
class Patience:
    """The bounds of trying again, for each call of its own.

    Attributes:
        retries: How often a call is repeated at most; 0 for never.
        for_s: No repeat begins later than so many seconds after the call first failed.
        wait_s: The longest pause between two. Half of each is left to chance: many clients shall not come at once.
        silent_s: A connection on which nothing came for so long is given up, if the host sends signs of life.
    """

    retries: int = 50
    for_s: float = 60.0
    wait_s: float = 2.0
    silent_s: float = 30.0


@attrs.define
class Outage:
    """What one call has gone through.

    Attributes:
        patience: Its bounds.
        chance: Gives a number from 0 to 1.
        repeats: How often it was repeated.
        reached: Whether one of its tries may have come to a host.
    """

    patience: Patience
    chance: Callable[[], float] = random.random
    repeats: int = 0
    reached: bool = False
    _until_s: float | None = attrs.field(default=None, init=False)

    def over(self) -> None:
        """Let the time begin anew; the number of repeats stays what it is."""
        self._until_s = None

    async def pause(self) -> bool:
        """Wait for the next try; return False, without waiting, when there shall be none."""
        now_s = asyncio.get_running_loop().time()
        if self._until_s is None:
            self._until_s = now_s + self.patience.for_s
        most_s = min(self.patience.wait_s, FIRST_WAIT_S * 2 ** min(self.repeats, DOUBLINGS_MAX))
        wait_s = most_s * (1 + self.chance()) / 2
        if self.repeats >= self.patience.retries or now_s + wait_s > self._until_s:
            return False
        self.repeats += 1
        await asyncio.sleep(wait_s)
        return True
