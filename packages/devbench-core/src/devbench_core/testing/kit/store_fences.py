"""What a store promises about fences."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.contracts.store import Append, Fence, LogEntry, Put, Store
from devbench_core.contracts.store_powers import SupportsDump, SupportsLoad
from devbench_core.errors import Conflict, LeaseLost, StaleToken, ValidationFailed
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.opening import OpenStore, WithStore

GREATEST = 2**63 - 1
PUT = Put(kind="k", key="a", data={})
ENTRY = Append(log="log", entries=(LogEntry(seq=1, data=b"x"),))


def fence(token: int, key: str = "leader") -> Fence:
    return Fence(key=key, token=token)


async def is_stale(store: Store, token: int, key: str = "leader") -> bool:
    """Tell whether the store refuses a token."""
    try:
        await store.apply(fence(token, key))
    except StaleToken:
        return True
    return False


@in_time
@pytest.mark.asyncio
@stated_by(Fence, Store.apply)
class StoreFencesContract(WithStore):
    """What a store promises about fences. Needs the fixture ``open_store``, an `OpenStore`."""

    async def test_a_change_with_a_stale_token_is_refused_as_a_whole(self, store: Store):
        await store.apply(fence(5))
        with pytest.raises(StaleToken, match="leader") as caught:
            await store.apply(PUT, ENTRY, fence(4))
        assert await store.get("k", "a") is None
        assert await store.read("log") == ()
        assert isinstance(caught.value, LeaseLost)
        assert caught.value.details == {"key": "leader", "token": 4, "greatest": 5}
        assert caught.value.retry is False

    async def test_a_holder_writes_as_often_as_he_likes(self, store: Store):
        for number in range(3):
            none, record = await store.apply(fence(5), PUT)
            assert none is None
            assert record is not None
            assert record.revision == number + 1

    async def test_the_first_token_of_all_is_taken(self, store: Store):
        (none, _) = await store.apply(fence(1), PUT)
        assert none is None
        assert await store.get("k", "a") is not None

    async def test_the_greatest_token_is_kept_however_far_tokens_rise(self, store: Store):
        await store.apply(fence(1))
        for token in (2, 2**40, GREATEST):
            await store.apply(fence(token))
            assert await is_stale(store, token - 1)
        assert not await is_stale(store, GREATEST)

    async def test_a_refused_token_lowers_nothing(self, store: Store):
        await store.apply(fence(5))
        assert await is_stale(store, 3)
        assert await is_stale(store, 4)

    async def test_the_fence_of_a_call_that_fails_is_not_kept(self, store: Store):
        with pytest.raises(Conflict):
            await store.apply(fence(9), Put(kind="k", key="a", data={}, expect=7))
        with pytest.raises(ValidationFailed):
            await store.apply(fence(9), Put(kind="k", key="", data={}))
        assert not await is_stale(store, 5)

    async def test_fences_of_different_keys_are_apart(self, store: Store):
        await store.apply(fence(9, "a"), fence(2, "b"))
        assert not await is_stale(store, 2, "b")
        assert await is_stale(store, 8, "a")
        assert not await is_stale(store, 1, "A")

    async def test_fences_of_one_call_see_each_other(self, store: Store):
        with pytest.raises(StaleToken):
            await store.apply(fence(9), PUT, fence(8))
        assert await store.get("k", "a") is None
        await store.apply(fence(6), fence(7))
        assert await is_stale(store, 6)

    async def test_a_fence_is_neither_a_record_nor_a_log(self, store: Store):
        await store.apply(fence(5))
        for kind in ("fence", "fences", "leader"):
            assert (await store.list(kind)).records == ()
        assert await store.read("leader") == ()
        await store.drop("leader")
        assert await is_stale(store, 4)

    async def test_a_fence_is_not_dumped_and_outlives_a_load(self, store: Store):
        if not (isinstance(store, SupportsDump) and isinstance(store, SupportsLoad)):
            pytest.skip("not claimed: SupportsDump, SupportsLoad")
        await store.apply(fence(5))
        async with store.dump() as items:
            assert [item async for item in items] == []
            await store.load(items)  # what has nothing but fences is empty
        async with store.dump() as items:
            await store.load(items, replace=True)
        assert await is_stale(store, 4)

    async def test_of_concurrent_holders_none_writes_after_a_later_one(self, store: Store):
        written: list[int] = []

        async def write(token: int) -> None:
            try:
                await store.apply(fence(token), Put(kind="k", key=str(token), data={}))
            except StaleToken:
                return
            written.append(token)

        await asyncio.gather(*(write(token) for token in [*range(1, 40), *range(80, 40, -1)]))
        assert 80 in written
        assert await is_stale(store, 79)
        assert {int(record.key) for record in (await store.list("k")).records} == set(written)

    @pytest.mark.parametrize("token", [0, -1, 2**63])
    async def test_a_token_out_of_bounds_is_refused(self, store: Store, token: int):
        with pytest.raises(ValidationFailed, match="token"):
            await store.apply(PUT, fence(token))
        assert await store.get("k", "a") is None

    async def test_a_key_that_no_database_could_hold_is_refused(self, store: Store):
        for key in ("", "x" * 201, "nul\0"):
            with pytest.raises(ValidationFailed, match="key"):
                await store.apply(PUT, fence(1, key))
        assert await store.get("k", "a") is None
        await store.apply(fence(1, "\U0001f600" * 200))

    async def test_a_store_that_lasts_remembers_the_greatest_token(self, open_store: OpenStore):
        async with open_store() as store:
            await store.apply(PUT, fence(5))
        async with open_store() as store:
            lasts = await store.get("k", "a") is not None
            assert await is_stale(store, 4) is lasts
