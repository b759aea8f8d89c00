"""Claims of keys: whoever takes one over cannot take somebody else's."""

import pytest

from devbench_core.errors import Conflict, ValidationFailed
from devbench_core.idempotency import KIND, SWEEP_AFTER_S, TAKE_OVER_S, Claim, Key, Keys, check_text
from devbench_core.memory.store import MemoryStore
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.testing.fake import FakeClock

TTL_S = 100.0
KEY = Key.of("k", {"a": 1}, LOCAL, "exec", "c_1")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def keys(store: MemoryStore, clock: FakeClock) -> Keys:
    return Keys(store, clock, TTL_S, "exec")


async def test_a_claim_is_taken_once_and_names_its_holder(store: MemoryStore, keys: Keys):
    found = await keys.look(KEY)
    await store.apply(keys.take(KEY, "x_1", found))
    with pytest.raises(Conflict):
        await store.apply(keys.take(KEY, "x_2", found))
    assert (await keys.look(KEY)).holder == "x_1"


async def test_another_request_under_a_key_is_refused_and_names_it(store: MemoryStore, keys: Keys):
    await store.apply(keys.take(KEY, "x_1", Claim()))
    with pytest.raises(Conflict, match="'k' was used for a different request") as caught:
        await keys.look(Key.of("k", {"a": 2}, LOCAL, "exec", "c_1"))
    assert caught.value.details == {"exec_id": "x_1"}


@pytest.mark.parametrize(
    "other",
    [
        Key.of("k", {}, Caller(tenant="other"), "exec", "c_1"),
        Key.of("k", {}, Caller(subject="other"), "exec", "c_1"),
        Key.of("k", {}, LOCAL, "exec", "c_2"),
        Key.of("k", {}, LOCAL, "spawn"),
    ],
)
async def test_a_text_means_something_else_elsewhere(store: MemoryStore, keys: Keys, other: Key):
    await store.apply(keys.take(KEY, "x_1", Claim()))
    assert await keys.look(other) == Claim()


async def test_whoever_saw_a_claim_before_it_was_freed_and_taken_again_does_not_get_it(
    store: MemoryStore, keys: Keys
):
    await store.apply(keys.take(KEY, "x_1", Claim()))
    await keys.free("x_1")
    late = await keys.look(KEY)
    assert late.holder == ""
    await store.apply(keys.take(KEY, "x_2", late))
    await keys.free("x_1")
    with pytest.raises(Conflict):
        await store.apply(keys.take(KEY, "x_3", late))
    assert (await keys.look(KEY)).holder == "x_2"


async def test_whoever_saw_a_claim_before_it_was_swept_and_made_anew_does_not_get_it(
    store: MemoryStore, keys: Keys, clock: FakeClock
):
    await store.apply(keys.take(KEY, "x_1", Claim()))
    clock.pass_s(TTL_S + TAKE_OVER_S + 1)
    late = await keys.look(KEY)
    await keys.sweep(10)
    await store.apply(keys.take(KEY, "x_2", await keys.look(KEY)))
    with pytest.raises(Conflict):
        await store.apply(keys.take(KEY, "x_3", late))


async def test_an_expired_claim_is_free_whatever_it_stood_for(
    store: MemoryStore, keys: Keys, clock: FakeClock
):
    await store.apply(keys.take(KEY, "x_1", Claim()))
    clock.pass_s(TTL_S - 1)
    assert (await keys.look(KEY)).holder == "x_1"
    clock.pass_s(1)
    found = await keys.look(Key.of("k", {"a": 2}, LOCAL, "exec", "c_1"))
    assert found == Claim(revision=1)


async def test_a_sweep_looks_at_one_batch_and_goes_on_while_it_finds_something(
    store: MemoryStore, keys: Keys, clock: FakeClock
):
    for number in range(25):
        await store.apply(
            keys.take(Key.of(f"old {number}", {}, LOCAL, "exec", "c_1"), f"x_{number}", Claim())
        )
    assert await keys.sweep(10) == 0
    clock.pass_s(TTL_S + SWEEP_AFTER_S)
    await store.apply(keys.take(KEY, "x_1", Claim()))
    removed = sum([await keys.sweep(10) for _ in range(4)])
    assert removed == 25
    assert [record.data["exec_id"] for record in (await store.list(KIND)).records] == ["x_1"]


@pytest.mark.parametrize("text", ["", "x" * 201, "a\nb"])
def test_a_text_that_is_no_key_is_refused(text: str):
    with pytest.raises(ValidationFailed, match="idempotency_key"):
        check_text(text)
