"""Turns what core reports while it works into the one growing number that clients show."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from devbench_core.model.caller import Caller
from devbench_core.tool import ProgressSink

if TYPE_CHECKING:
    from devbench_core.execs import Execs
    from devbench_core.model.execution import Chunk
    from devbench_core.model.image import PullProgress

REPORT_EVERY_S = 0.25
"""More often is noise on the wire."""
OUTPUT_EVERY_S = 0.5
"""The same for lines of output."""
QUIET_EVERY_S = 5.0
"""How often a wait without news says that it still waits."""
LINE_MAX = 200
LAST_LINE_BYTES = 2048
"""How much is read to find the last line of a command's output."""


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


def last_line(chunks: Iterable[Chunk]) -> str:
    """Return the last line of output that is not blank, "" when there is none; a long one is cut."""
    from devbench_core.model.execution import StreamName

    shown = (chunk.data for chunk in chunks if chunk.stream is not StreamName.SIDE)
    lines = b"".join(shown).decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")[:LINE_MAX]


async def last_line_of(execs: Execs, exec_id: str, caller: Caller) -> str:
    """Return the last line of a command's output so far.

    Raises:
        ExecNotFound: The caller's tenant has no such command.
        StoreFailed: The store could not be read.
    """
    ends = await execs.ends(exec_id, limit_bytes=LAST_LINE_BYTES, limit_chunks=LAST_LINE_BYTES, caller=caller)
    return last_line(ends.tail) or last_line(ends.head)


class OutputReporter:
    """Tells the client the last line of a command's output, a few times a second.

    Args:
        sink: Where it is told.
        begun: When the wait began, as `time.monotonic`.
        wait_s: How long it lasts at most.
    """

    def __init__(self, sink: ProgressSink, begun: float, wait_s: float) -> None:
        self._sink = sink
        self._begun = begun
        self._wait_s = wait_s
        self._told_at = float("-inf")

    async def tell(self, chunks: Iterable[Chunk]) -> None:
        """Tell the last line of new output, unless something was told just now."""
        if self.is_due(OUTPUT_EVERY_S):
            await self.say(last_line(chunks))

    def is_due(self, every_s: float) -> bool:
        """Whether nothing was told for so long."""
        return time.monotonic() - self._told_at >= every_s

    async def say(self, message: str) -> None:
        """Tell something now."""
        self._told_at = time.monotonic()
        await self._sink(min(self._told_at - self._begun, self._wait_s), self._wait_s, message)
