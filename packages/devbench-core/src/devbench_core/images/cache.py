"""Remembers resolutions for a while, in bounded number, and counts hits."""

from __future__ import annotations

from collections import OrderedDict

import attrs

from devbench_core import metrics
from devbench_core.clock import Clock
from devbench_core.model.image import Image


@attrs.frozen
class _Entry:
    image: Image
    until_s: float


class ResolutionCache:
    """Least recently used goes first."""

    def __init__(self, clock: Clock, *, ttl_s: float, size: int) -> None:
        self._clock = clock
        self._ttl_s = ttl_s
        self._size = size
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def get(self, name: str) -> Image | None:
        """Return what a name resolved to, None when unknown or too old."""
        entry = self._entries.get(name)
        if entry is None or entry.until_s <= self._clock.monotonic_s():
            self._entries.pop(name, None)
            self.misses += 1
            metrics.IMAGE_CACHE.labels(result="miss").inc()
            return None
        self._entries.move_to_end(name)
        self.hits += 1
        metrics.IMAGE_CACHE.labels(result="hit").inc()
        return entry.image

    def put(self, name: str, image: Image) -> None:
        """Remember a resolution."""
        self._entries[name] = _Entry(image, self._clock.monotonic_s() + self._ttl_s)
        self._entries.move_to_end(name)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def forget(self, name: str) -> None:
        """Drop one name."""
        self._entries.pop(name, None)
