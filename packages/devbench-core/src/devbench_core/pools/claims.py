"""What waits, found for spawns: one that answers, this host's own first, and none for two spawns of this host."""

from __future__ import annotations

import asyncio
import random

import attrs

from devbench_core.containers.links import Links
from devbench_core.contracts.store import Store
from devbench_core.errors import Conflict, DevbenchError
from devbench_core.logs import get_logger
from devbench_core.model.container import Container
from devbench_core.pools import records
from devbench_core.pools.records import State, Warm

log = get_logger(__name__)


class Claims:
    """Finds warm containers for spawns of this host.

    Args:
        store: Has the records of all hosts.
        links: To the agents, also of those that nobody asked for yet.
        instance: This host's id.
        runtime: The runtime's name.
    """

    def __init__(self, *, store: Store, links: Links, instance: str, runtime: str) -> None:
        self._store = store
        self._links = links
        self._instance = instance
        self._runtime = runtime
        self._known: dict[str, Warm] = {}
        self._offered: set[str] = set()

    def know(self, ready: list[Warm]) -> None:
        """Take note of all of this host's own that are ready, so that a spawn need not ask the store."""
        self._known = {warm.id: warm for warm in ready}

    def add(self, warm: Warm) -> None:
        """Take note of one more."""
        self._known[warm.id] = warm

    async def find(
        self, wanted: Container, fingerprint: str, refused: set[tuple[str, int]], until_s: float
    ) -> Warm | None:
        """Return one that answers, which is offered to nobody else here until `let_go`; None when there is none.

        Args:
            wanted: The record that is to be.
            fingerprint: Of what the engine would be asked for.
            refused: What is not to be offered, each as it was read; what is tried is added.
            until_s: When to stop, on the loop's clock.
        """
        own = [warm for warm in self._known.values() if warm.fingerprint == fingerprint]
        own.sort(key=lambda warm: warm.made_at)
        return await self._first(own, wanted, refused, until_s) or await self._first(
            await self._others(fingerprint), wanted, refused, until_s
        )

    def let_go(self, warm: Warm) -> None:
        """The spawn that it was offered to got it, or did not."""
        self._offered.discard(warm.id)

    async def _others(self, fingerprint: str) -> list[Warm]:
        """Return what the store has, in any order, so that hosts seldom want the same one."""
        found = await records.ready(self._store, self._runtime, fingerprint)
        random.shuffle(found)
        return found

    async def _first(
        self, candidates: list[Warm], wanted: Container, refused: set[tuple[str, int]], until_s: float
    ) -> Warm | None:
        for warm in candidates:
            if warm.id in self._offered or (warm.id, warm.revision) in refused:
                continue
            left_s = until_s - asyncio.get_running_loop().time()
            if left_s <= 0:
                return None
            self._offered.add(warm.id)
            self._known.pop(warm.id, None)
            refused.add((warm.id, warm.revision))
            try:
                async with asyncio.timeout(left_s):
                    if await self.answers(warm, wanted):
                        return warm
            except TimeoutError:
                log.info(
                    "pool.slow", container=warm.id, pool=warm.pool
                )  # whether it lives its host finds out
            except BaseException:
                self._offered.discard(warm.id)
                raise
            self._offered.discard(warm.id)
        return None

    async def answers(self, warm: Warm, like: Container) -> bool:
        """Tell whether its agent answers; the channel stays open. One that does not is offered no more."""
        try:
            link = await self._links.of(attrs.evolve(like, id=warm.id, ref=warm.ref, ending=None))
            await (await link.channel()).ping()
        except DevbenchError as error:
            log.info("pool.dead", container=warm.id, pool=warm.pool, error=str(error))
            await self.withdraw(warm, "dead")
            return False
        return True

    async def withdraw(self, warm: Warm, reason: str) -> Warm | None:
        """Let nobody get it any more; None when somebody was faster."""
        self._known.pop(warm.id, None)
        try:
            return await records.save(self._store, attrs.evolve(warm, state=State.LEAVING, reason=reason))
        except Conflict:
            return None
