"""How many containers a tenant may have: a claim in the store that no two hosts can make at once.

A tenant has one record with a number that its living containers never exceed. A spawn raises it by one in the very
change that records the container; endings leave it alone. When it has reached the limit, the living ones are counted
anew, and the count is not taken if another spawn changed the record meanwhile. So nothing is ever given back, and
nothing can leak.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from devbench_core.containers.repository import Repository
from devbench_core.contracts.store import ABSENT, Put
from devbench_core.errors import Conflict, QuotaExceeded

KIND = "container_quota"
ATTEMPTS = 100
"""How often other hosts may spawn for the same tenant between a look and the claim."""


class Quotas:
    """Claims on behalf of this host.

    Args:
        repository: The containers.
        containers_max: How many living ones each tenant may have, None for any number.
    """

    def __init__(self, repository: Repository, containers_max: int | None) -> None:
        self._repository = repository
        self._max = containers_max
        self._counted: set[str] = set()  # by this host: there may have been a time without a limit before it
        self._turns = WeakValueDictionary[str, asyncio.Lock]()

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncGenerator[None]:
        """Let the spawns of one tenant on this host claim one after the other, rather than in each other's way."""
        if self._max is None:
            yield
            return
        lock = self._turns.get(tenant)
        if lock is None:
            lock = self._turns[tenant] = asyncio.Lock()
        async with lock:
            yield

    async def claim(self, tenant: str) -> tuple[Put, ...]:
        """Return the change that must be made together with a container's first record; nothing without a limit.

        Raises:
            QuotaExceeded: The tenant has as many living containers as it may have.
            StoreFailed: The store could not be read.
        """
        if self._max is None:
            return ()
        found = await self._repository.store.get(KIND, tenant)
        at_most, revision = (
            (0, ABSENT) if found is None else (int(str(found.data["at_most"])), found.revision)
        )
        if tenant not in self._counted or at_most >= self._max:
            at_most = await self._repository.count_living(tenant)
        if at_most >= self._max:
            raise QuotaExceeded(
                f"tenant {tenant!r} has {at_most} living containers",
                hint="kill one that is not needed; the limit is containers.per_tenant_max",
                details={"limit": self._max, "setting": "containers.per_tenant_max"},
            )
        return (Put(kind=KIND, key=tenant, data={"at_most": at_most + 1}, expect=revision),)

    def claimed(self, tenant: str) -> None:
        """Trust the tenant's record from now on: what was counted for the claim is in it."""
        if self._max is not None:
            self._counted.add(tenant)


def is_overtaken(conflict: Conflict) -> bool:
    """Tell whether a claim failed because another host spawned for the same tenant meanwhile."""
    return conflict.details.get("kind") == KIND
