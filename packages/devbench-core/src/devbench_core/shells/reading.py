"""Reading a shell's output until something: a text, a pattern, quiet, an end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol

from devbench_core.clock import Clock
from devbench_core.errors import ValidationFailed
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Chunk
from devbench_core.model.shell import ReadStop, ShellMatch, ShellPage, ShellReading
from devbench_core.shells.patterns import Finder, Wanted, wanted
from devbench_core.values import frozen

SEARCHERS = 2
"""Threads in which all callers' expressions are looked for."""
OnPage = Callable[[ShellPage], Awaitable[None]]


class Poll(Protocol):
    """As `Shells.poll`."""

    async def __call__(
        self,
        shell_id: str,
        *,
        after: int,
        run: int | None,
        max_bytes: int | None,
        wait_s: float,
        caller: Caller,
    ) -> ShellPage:
        """Return output after a cursor."""
        ...


@frozen
class Until:
    """When to stop.

    Attributes:
        run: At the end of this run; None is that of whichever is the newest.
        texts: At one of these plain texts.
        expressions: At a match of one of these.
        quiet_s: Without either: when something came and then nothing for so long.
        wait_s: After so long in any case.
        max_bytes: When there is so much, about.
    """

    run: int | None = None
    texts: Sequence[str] = ()
    expressions: Sequence[str] = ()
    quiet_s: float
    wait_s: float
    max_bytes: int


class Reader:
    """Reads for `Shells`.

    Args:
        poll: Where pages come from.
        clock: Where time comes from.
        lookback_bytes: See `Finder`.
    """

    def __init__(self, poll: Poll, clock: Clock, lookback_bytes: int) -> None:
        self._poll = poll
        self._clock = clock
        self._lookback_bytes = lookback_bytes
        self._searchers = ThreadPoolExecutor(SEARCHERS, thread_name_prefix="devbench-patterns")

    async def read(
        self, shell_id: str, after: int, until: Until, on_page: OnPage | None, caller: Caller
    ) -> ShellReading:
        """Read; raises as `Shells.read` does."""
        if not until.quiet_s >= 0:
            raise ValidationFailed("quiet_s", "must not be negative")
        if not until.max_bytes > 0:
            raise ValidationFailed("max_bytes", "must be above 0")
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._searchers, wanted, until.texts, until.expressions)
        reading = _Reading(until, found, after, self._lookback_bytes, self._searchers)
        deadline = self._clock.monotonic_s() + until.wait_s
        while True:
            page = await self._poll(
                shell_id,
                after=reading.cursor,
                run=until.run,
                max_bytes=max(1, until.max_bytes - reading.size),
                wait_s=reading.patience_s(deadline - self._clock.monotonic_s()),
                caller=caller,
            )
            stop = await reading.take(page)
            if stop is None and self._clock.monotonic_s() >= deadline:
                stop = ReadStop.TIME
            if stop is not None:
                return reading.result(page, stop)
            if on_page is not None:
                await on_page(page)

    def close(self) -> None:
        """Look for nothing any more; what is under way is soon over."""
        self._searchers.shutdown(wait=False, cancel_futures=True)


class _Reading:
    """What one call has so far."""

    def __init__(
        self, until: Until, found: Wanted, after: int, lookback_bytes: int, searchers: Executor
    ) -> None:
        self.cursor = after
        self.size = 0
        self._until = until
        self._finder = Finder(found, lookback_bytes, searchers) if found else None
        self._match: ShellMatch | None = None
        self._chunks: list[Chunk] = []

    def patience_s(self, left_s: float) -> float:
        """Return how long to wait for more."""
        is_quiet_news = self._finder is None and self._chunks
        return max(0.0, min(left_s, self._until.quiet_s) if is_quiet_news else left_s)

    async def take(self, page: ShellPage) -> ReadStop | None:
        """Take a page; return why to stop, if so."""
        data = b"".join([chunk.data for chunk in page.chunks])
        self._chunks.extend(page.chunks)
        self.cursor = page.cursor
        self.size += len(data)
        self._match = None if self._finder is None else await self._finder.feed(data)
        if self._match is not None:
            return ReadStop.PATTERN if self._match.is_regex else ReadStop.TEXT
        if page.ending is not None:
            return ReadStop.SHELL_ENDED
        if page.complete:
            return ReadStop.RUN_ENDED
        if self.size >= self._until.max_bytes:
            return ReadStop.FULL
        return ReadStop.QUIET if self._chunks and not page.chunks and self._finder is None else None

    def result(self, page: ShellPage, stop: ReadStop) -> ShellReading:
        """Return all of it."""
        return ShellReading(
            chunks=tuple(self._chunks),
            cursor=self.cursor,
            stop=stop,
            match=self._match,
            run=page.run,
            ending=page.ending,
        )
