"""Keeps the streams that were opened with their containers until somebody connects."""

from __future__ import annotations

import attrs

from devbench_core.clock import Clock
from devbench_core.engines.attached import AttachedStream


@attrs.frozen
class _Kept:
    stream: AttachedStream
    until_s: float


class Stash:
    """At most one stream a container, each for a while."""

    def __init__(self, clock: Clock, keep_s: float) -> None:
        self._clock = clock
        self._keep_s = keep_s
        self._kept: dict[str, _Kept] = {}

    def put(self, ref: str, stream: AttachedStream) -> None:
        """Keep a stream; those that nobody took in time are closed on the way."""
        now_s = self._clock.monotonic_s()
        for old in [each for each, kept in self._kept.items() if kept.until_s < now_s]:
            self.drop(old)
        self.drop(ref)
        self._kept[ref] = _Kept(stream, now_s + self._keep_s)

    def take(self, ref: str) -> AttachedStream | None:
        """Return the stream of a container, once, None when there is none or it was kept too long."""
        kept = self._kept.pop(ref, None)
        if kept is None:
            return None
        if kept.until_s < self._clock.monotonic_s():
            kept.stream.abort()
            return None
        return kept.stream

    def drop(self, ref: str) -> None:
        """Close the stream of a container, if there is one."""
        kept = self._kept.pop(ref, None)
        if kept is not None:
            kept.stream.abort()

    def close(self) -> None:
        """Close all."""
        for ref in list(self._kept):
            self.drop(ref)
