"""What every host says of each pool in the store, and all of it put together for people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import attrs

from devbench_core.contracts.store import Put, Remove, Store
from devbench_core.pools import records
from devbench_core.pools.records import State
from devbench_core.pools.settings import WarmPool
from devbench_core.records import from_json, to_json
from devbench_core.values import frozen

KIND = "pool_host"
PAGE = 200
Alive = Callable[[str], Awaitable[bool]]


@frozen
class PoolState:
    """A pool, as all living hosts together see it.

    Attributes:
        name: Its name in the configuration.
        image: Its image, as configured.
        floor: How many are to wait at least.
        ceiling: How many there may be.
        wanted: How many are to wait now: what the host says that wants most.
        ready: How many wait.
        making: How many are being made.
        leaving: How many are being removed.
        hits: Spawns that got one, since the hosts that live now started.
        misses: Spawns that fitted and found none.
        failures: Failures to fill it since the last success.
        failure: The last one, in one sentence; "" for none.
        failed_at: When that was, as ISO 8601; "" for never.
    """

    name: str
    image: str
    floor: int
    ceiling: int
    wanted: int = 0
    ready: int = 0
    making: int = 0
    leaving: int = 0
    hits: int = 0
    misses: int = 0
    failures: int = 0
    failure: str = ""
    failed_at: str = ""


@frozen
class Said:
    """What one host knows of one pool; the fields mean the same as in `PoolState`."""

    instance: str
    pool: str
    wanted: int
    hits: int
    misses: int
    failures: int
    failure: str
    failed_at: str

    def put(self) -> Put:
        """Return the change that says it to all hosts."""
        return Put(kind=KIND, key=f"{self.instance}/{self.pool}", data=to_json(self))

    def remove(self) -> Remove:
        """Return the change that takes it back."""
        return Remove(kind=KIND, key=f"{self.instance}/{self.pool}")


async def forget(store: Store, instance: str) -> None:
    """Remove what a host said."""
    async for said in _all(store):
        if said.instance == instance:
            await store.apply(said.remove())


async def wanted_by_others(store: Store, instance: str, alive: Alive) -> dict[str, int]:
    """Return how many the other living host that wants most of each pool wants; what dead ones said is removed."""
    most: dict[str, int] = {}
    async for said in _all(store):
        if said.instance == instance:
            continue
        if await alive(said.instance):
            most[said.pool] = max(most.get(said.pool, 0), said.wanted)
        else:
            await store.apply(said.remove())
    return most


async def together(
    store: Store, pools: Mapping[str, WarmPool], runtime: str, alive: Alive
) -> tuple[PoolState, ...]:
    """Return the state of each configured pool, by name."""
    found = {
        name: PoolState(name=name, image=pool.image, floor=pool.floor, ceiling=pool.most)
        for name, pool in sorted(pools.items())
    }
    async for warm in records.listed(store, f"runtime={runtime}"):
        if warm.pool in found:
            found[warm.pool] = _counted(found[warm.pool], warm.state)
    async for said in _all(store):
        if said.pool in found and await alive(said.instance):
            found[said.pool] = _joined(found[said.pool], said)
    return tuple(found.values())


def _counted(pool: PoolState, state: State) -> PoolState:
    if state is State.READY:
        return attrs.evolve(pool, ready=pool.ready + 1)
    if state is State.MAKING:
        return attrs.evolve(pool, making=pool.making + 1)
    return attrs.evolve(pool, leaving=pool.leaving + 1)


def _joined(pool: PoolState, said: Said) -> PoolState:
    pool = attrs.evolve(
        pool,
        wanted=max(pool.wanted, said.wanted),
        hits=pool.hits + said.hits,
        misses=pool.misses + said.misses,
    )
    if said.failed_at <= pool.failed_at:
        return pool
    return attrs.evolve(pool, failures=said.failures, failure=said.failure, failed_at=said.failed_at)


async def _all(store: Store) -> AsyncIterator[Said]:
    cursor = ""
    while True:
        page = await store.list(KIND, after=cursor, limit=PAGE)
        for record in page.records:
            yield from_json(Said, record.data)
        cursor = page.cursor
        if not cursor:
            return
