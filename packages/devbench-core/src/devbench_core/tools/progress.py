"""Turns what core reports while it works into the one growing number that clients show."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from devbench_core.model.image import PullProgress
from devbench_core.tool import ProgressSink

REPORT_EVERY_S = 0.25
"""More often is noise on the wire."""


def pull_progress(sink: ProgressSink) -> Callable[[PullProgress], Awaitable[None]]:
    """Return a follower of a pull that reports the bytes of all layers together, never going back."""
    layers: dict[str, tuple[int, int]] = {}
    reported = 0.0
    reported_at = float("-inf")

    async def follow(step: PullProgress) -> None:
        nonlocal reported, reported_at
        if step.done_bytes is not None:
            layers[step.layer] = (step.done_bytes, max(step.total_bytes or 0, step.done_bytes))
        if time.monotonic() - reported_at < REPORT_EVERY_S:
            return
        done = float(sum(done for done, _ in layers.values()))
        total = float(sum(total for _, total in layers.values()))
        reported = max(done, reported + 1)  # the protocol wants each report to be larger than the last
        reported_at = time.monotonic()
        await sink(reported, total if total >= reported else None, step.status)

    return follow
