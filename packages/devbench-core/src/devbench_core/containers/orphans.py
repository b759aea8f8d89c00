"""Containers on the engine that nobody has a record of, and since when that is known."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from devbench_core.clock import Clock
from devbench_core.contracts.store import ABSENT, Put, Remove, Store
from devbench_core.errors import Conflict
from devbench_core.json_types import JsonObject

KIND = "orphan"
PAGE = 200


class Orphans:
    """When each was first seen, in the store: so that it counts for all hosts, and over a restart.

    Args:
        store: Keeps it.
        clock: Where time comes from.
        grace_s: How long one stays; 0 for not at all.
        runtime: On which they are. Hosts of other runtimes, which do not see these, may share the store.
    """

    def __init__(self, store: Store, clock: Clock, grace_s: float, runtime: str) -> None:
        self._store = store
        self._clock = clock
        self._grace_s = grace_s
        self._runtime = runtime
        self._terms = frozenset({f"runtime={runtime}"})

    async def left_s(self, container_id: str, *, note: bool = True) -> float:
        """Return for how many seconds one stays; 0 or less for those that may go.

        Args:
            container_id: Which.
            note: Whether its grace begins when it was not seen before.
        """
        if not self._grace_s:
            return 0.0
        seen = await self.seen(container_id)
        if seen is None:
            if note:
                await self._note(container_id)
            return self._grace_s
        return self._grace_s - (self._clock.now() - seen).total_seconds()

    async def seen(self, container_id: str) -> datetime | None:
        """Return when one was first seen, None for not yet."""
        record = await self._store.get(KIND, self._key(container_id))
        return None if record is None else datetime.fromisoformat(str(record.data["seen_at"]))

    async def _note(self, container_id: str) -> None:
        data: JsonObject = {"seen_at": self._clock.now().isoformat()}
        with suppress(Conflict):  # another host saw it at the same time
            await self._store.apply(
                Put(kind=KIND, key=self._key(container_id), data=data, terms=self._terms, expect=ABSENT)
            )

    async def keep_only(self, present: frozenset[str]) -> None:
        """Forget those that have gone, or have a record again."""
        page = await self._store.list(KIND, terms=self._terms, limit=PAGE)
        kept = {self._key(container_id) for container_id in present}
        gone = [Remove(kind=KIND, key=each.key) for each in page.records if each.key not in kept]
        if gone:
            await self._store.apply(*gone)

    def _key(self, container_id: str) -> str:
        return f"{self._runtime}/{container_id}"
