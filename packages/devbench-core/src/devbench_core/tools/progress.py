"""Turns what core reports while it works into the one growing number that clients show."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable

from devbench_core.model.image import PullProgress
from devbench_core.tool import ProgressSink

REPORT_EVERY_S = 0.25
"""More often is noise on the wire."""


def pull_progress(sink: ProgressSink) -> Callable[[PullProgress], Awaitable[None]]:
    """Return a follower of a pull that reports the bytes of all layers together, never going back.

    A layer counts from its first byte to its last once, although an engine may count it again while it unpacks. What
    is known of a layer that is complete, and of the whole, is reported at once, so that the last report is true.
    """
    pull = _Pull()

    async def follow(step: PullProgress) -> None:
        is_news = pull.take(step)
        now = time.monotonic()
        if is_news or now - pull.reported_at >= REPORT_EVERY_S:
            pull.reported_at = now
            await sink(*pull.numbers(), step.status)

    return follow


class _Pull:
    """What is known of a pull."""

    def __init__(self) -> None:
        self.reported_at = float("-inf")
        self._layers: dict[str, tuple[int, int]] = {}
        self._last: float | None = None

    def take(self, step: PullProgress) -> bool:
        """Take a step; tell whether it is news that must not be left out."""
        if step.done_bytes is None:
            return not step.layer
        done_before, total_before = self._layers.get(step.layer, (0, 0))
        done = max(done_before, step.done_bytes)
        total = max(total_before, step.total_bytes or 0, done)
        self._layers[step.layer] = (done, total)
        return bool(step.total_bytes) and done == total > done_before

    def numbers(self) -> tuple[float, float | None]:
        """Return bytes and their expected sum; each call's are larger than the last one's, if only by nothing."""
        done = float(sum(done for done, _ in self._layers.values()))
        total = float(sum(total for _, total in self._layers.values()))
        if self._last is not None:
            done = max(done, math.nextafter(self._last, math.inf))
        self._last = done
        return done, max(total, done) if total else None
