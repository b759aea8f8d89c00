"""Remembers for a moment which container a name means, so that a busy client's calls need not ask the store."""

from __future__ import annotations

from collections import OrderedDict

from devbench_core.clock import Clock
from devbench_core.model.container import Container

SIZE = 1024


class Bindings:
    """Living containers by tenant and name; a change made by this process is seen at once."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._known: OrderedDict[tuple[str, str], tuple[Container, float]] = OrderedDict()

    def get(self, tenant: str, name: str) -> Container | None:
        """Return what a name meant a moment ago, None when that is too long ago."""
        entry = self._known.get((tenant, name))
        if entry is None or entry[1] <= self._clock.monotonic_s():
            return None
        return entry[0]

    def keep(self, tenant: str, name: str, container: Container) -> None:
        """Remember what a name means."""
        self._known[tenant, name] = (container, self._clock.monotonic_s() + self._seconds)
        self._known.move_to_end((tenant, name))
        while len(self._known) > SIZE:
            self._known.popitem(last=False)

    def forget(self, container_id: str) -> None:
        """Forget a container under all its names."""
        for where in [key for key, (container, _) in self._known.items() if container.id == container_id]:
            del self._known[where]
