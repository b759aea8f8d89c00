"""What is changed beneath a lease carries its token."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from devbench_core.contracts.store import Append, Fence, LogEntry, Put
from devbench_core.errors import LeaseLost, StaleToken
from devbench_core.leading.fencing import FencedStore, beneath
from devbench_core.memory import MemoryStore

PUT = Put(kind="k", key="a", data={})


@attrs.define
class Held:
    """A lease as its holder sees it, who does not know yet that he lost it."""

    token: int
    key: str = "leader"
    lost: bool = False

    def check(self) -> None:
        """Raise when he knows."""
        if self.lost:
            raise LeaseLost("lost")


async def test_changes_beneath_a_lease_carry_its_token_and_no_others_do():
    beneath_it = MemoryStore()
    store = FencedStore(beneath_it)
    with beneath(Held(5)):
        (record,) = await store.apply(PUT)
        assert record is not None
        assert await store.apply() == ()
    with pytest.raises(StaleToken):
        await beneath_it.apply(Fence(key="leader", token=4))
    await beneath_it.apply(Fence(key="leader", token=9))
    (record,) = await store.apply(PUT)
    assert record is not None
    assert record.revision == 2


async def test_a_superseded_holder_changes_nothing_although_he_does_not_know_it():
    beneath_it = MemoryStore()
    store = FencedStore(beneath_it)
    await beneath_it.apply(
        Fence(key="leader", token=6), Append(log="x", entries=(LogEntry(seq=1, data=b""),))
    )
    with beneath(Held(5)):
        with pytest.raises(StaleToken):
            await store.apply(PUT)
        with pytest.raises(StaleToken):
            await store.confirm()
        with pytest.raises(StaleToken):
            await store.drop("x")
    assert await store.get("k", "a") is None
    assert len(await store.read("x")) == 1


async def test_a_holder_who_knows_that_he_lost_it_does_not_ask():
    store = FencedStore(MemoryStore())
    with beneath(Held(5, lost=True)), pytest.raises(LeaseLost):
        await store.apply(PUT)
    await store.confirm()
    await store.drop("x")


async def test_tasks_that_are_made_beneath_a_lease_go_on_carrying_it():
    beneath_it = MemoryStore()
    store = FencedStore(beneath_it)
    begin = asyncio.Event()

    async def later() -> None:
        await begin.wait()
        await store.apply(PUT)

    with beneath(Held(5)):
        task = asyncio.create_task(later())
    await beneath_it.apply(Fence(key="leader", token=6))
    begin.set()
    with pytest.raises(StaleToken):
        await task
