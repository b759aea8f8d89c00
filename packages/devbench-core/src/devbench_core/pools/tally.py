"""What this host knows of each pool: what it should hold, who asked lately, what failed."""

from __future__ import annotations

from collections import deque

import attrs

from devbench_core.pools.settings import PoolSettings, WarmPool
from devbench_core.pools.template import Target

ASKS_KEPT = 4096


@attrs.define(eq=False)
class Tally:
    """One pool, as this host sees it.

    Attributes:
        name: The pool's.
        pool: Its settings.
        target: What its containers must be; None until that was found out.
        looked_s: When that was last looked up.
        hits: Spawns that got one.
        misses: Spawns that fitted and found none.
        failures: Failures since the last success.
        failure: The last one, in one sentence.
        failed_at: When that was, as ISO 8601.
        retry_s: When the next attempt may be made.
    """

    name: str
    pool: WarmPool
    target: Target | None = None
    looked_s: float = float("-inf")
    hits: int = 0
    misses: int = 0
    failures: int = 0
    failure: str = ""
    failed_at: str = ""
    retry_s: float = float("-inf")
    _asks: deque[float] = attrs.field(factory=lambda: deque[float](maxlen=ASKS_KEPT), init=False)

    def asked(self, now_s: float, *, hit: bool) -> None:
        """Count a spawn that this pool is for."""
        self._asks.append(now_s)
        if hit:
            self.hits += 1
        else:
            self.misses += 1

    def wanted(self, now_s: float, window_s: float) -> int:
        """Return how many are to be ready: as many as were asked for lately, within floor and ceiling."""
        while self._asks and self._asks[0] < now_s - window_s:
            self._asks.popleft()
        return max(self.pool.floor, min(self.pool.most, len(self._asks)))

    def failed(self, error: str, at: str, now_s: float, limits: PoolSettings) -> None:
        """Note a failure, and wait twice as long as after the one before."""
        self.failure, self.failed_at = error, at
        if now_s < self.retry_s:
            return  # of several that were tried at once
        self.failures += 1
        doubled = limits.retry_first_s * 2.0 ** min(self.failures - 1, 30)
        self.retry_s = now_s + min(doubled, limits.retry_max_s)

    def succeeded(self) -> None:
        """Forget that there were failures; the last one can still be read."""
        self.failures, self.retry_s = 0, float("-inf")
