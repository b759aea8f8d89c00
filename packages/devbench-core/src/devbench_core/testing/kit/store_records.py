"""What a store promises about records."""

from __future__ import annotations

import asyncio
import json

import pytest

from devbench_core.contracts.store import ABSENT, Put, Record, Remove, Store
from devbench_core.errors import Conflict, ValidationFailed
from devbench_core.json_types import JsonObject
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.opening import WithStore

STEPS = 25
RICH: JsonObject = {
    "text": "ä\0\u2028\U0001f600'\"",
    "big": 2**62,
    "ratio": 0.1,
    "none": None,
    "flags": [True, False],
    "deep": {"a": [{"b": {}}]},
    "": "",
}


def put(
    key: str, data: JsonObject | None = None, *, expect: int | None = None, terms: tuple[str, ...] = ()
) -> Put:
    return Put(kind="k", key=key, data=data or {}, expect=expect, terms=frozenset(terms))


async def keys(store: Store, *terms: str, kind: str = "k") -> list[str]:
    page = await store.list(kind, terms=frozenset(terms), limit=1000)
    return [record.key for record in page.records]


@in_time
@pytest.mark.asyncio
@stated_by(Store.apply)
class StoreRecordsContract(WithStore):
    """What a store promises about records. Needs the fixture ``open_store``, an `OpenStore`."""

    @stated_by(Store.get)
    async def test_an_unknown_record_is_none(self, store: Store):
        assert await store.get("k", "a") is None

    async def test_a_record_comes_back_as_it_was_written(self, store: Store):
        (written,) = await store.apply(put("a", RICH, terms=("x", "label:ä=\U0001f600")))
        expected = Record(
            kind="k", key="a", revision=1, data=RICH, terms=frozenset({"x", "label:ä=\U0001f600"})
        )
        assert written == expected
        assert await store.get("k", "a") == expected
        assert (await store.list("k")).records == (expected,)

    @stated_by(Put, Store.apply)
    async def test_each_change_raises_the_revision_by_one(self, store: Store):
        revisions = [record.revision for _ in range(3) for record in await store.apply(put("a")) if record]
        assert revisions == [1, 2, 3]

    @stated_by(Remove, Store.apply)
    async def test_a_record_that_was_removed_begins_anew_at_revision_one(self, store: Store):
        await store.apply(put("a"), put("a"))
        assert await store.apply(Remove(kind="k", key="a")) == (None,)
        assert await store.get("k", "a") is None
        (again,) = await store.apply(put("a"))
        assert again is not None
        assert again.revision == 1

    @stated_by(Remove, Store.apply)
    async def test_removing_what_is_absent_is_fine(self, store: Store):
        assert await store.apply(Remove(kind="k", key="a")) == (None,)

    async def test_no_changes_are_fine(self, store: Store):
        assert await store.apply() == ()

    @stated_by(Store.get)
    async def test_kinds_are_apart(self, store: Store):
        await store.apply(put("a"), Put(kind="other", key="a", data={"n": 1}))
        assert await keys(store, kind="other") == ["a"]
        await store.apply(Remove(kind="other", key="a"))
        assert await keys(store) == ["a"]

    @stated_by(Put, Store.apply)
    @pytest.mark.parametrize(
        ("change", "found"),
        [
            (put("a", expect=ABSENT), 1),
            (put("a", expect=2), 1),
            (put("b", expect=1), 0),
            (Remove(kind="k", key="a", expect=7), 1),
            (Remove(kind="k", key="b", expect=1), 0),
        ],
    )
    async def test_an_expectation_that_does_not_hold_is_a_conflict(
        self, store: Store, change: Put | Remove, found: int
    ):
        await store.apply(put("a", {"n": 1}))
        with pytest.raises(Conflict) as caught:
            await store.apply(change)
        assert caught.value.details == {"kind": "k", "key": change.key, "revision": found}
        assert await keys(store) == ["a"]

    @stated_by(Put, Store.apply)
    async def test_an_expectation_that_holds_is_applied(self, store: Store):
        await store.apply(put("a", expect=ABSENT))
        await store.apply(put("a", expect=1))
        assert await store.apply(Remove(kind="k", key="a", expect=2)) == (None,)

    async def test_a_conflict_in_the_last_change_undoes_all(self, store: Store):
        await store.apply(put("a", {"n": 1}, terms=("t",)), put("b"))
        with pytest.raises(Conflict):
            await store.apply(
                put("a", {"n": 2}, terms=("u",)), Remove(kind="k", key="b"), put("c"), put("a", expect=9)
            )
        assert await keys(store) == ["a", "b"]
        assert await keys(store, "t") == ["a"]
        assert await keys(store, "u") == []

    async def test_changes_of_one_call_see_each_other(self, store: Store):
        first, gone, again = await store.apply(
            put("a", {"n": 1}, expect=ABSENT),
            Remove(kind="k", key="a", expect=1),
            put("a", {"n": 2}, expect=0),
        )
        assert first is not None
        assert gone is None
        assert again is not None
        assert (await store.get("k", "a")) == again
        assert again.data == {"n": 2}

    @stated_by(Put, Store.apply)
    async def test_one_of_many_concurrent_claims_wins(self, store: Store):
        async def claim(number: int) -> int | None:
            try:
                await store.apply(put("a", {"by": number}, expect=ABSENT), put(f"of-{number}"))
            except Conflict:
                return None
            return number

        winners = [number for number in await asyncio.gather(*map(claim, range(50))) if number is not None]
        assert len(winners) == 1
        record = await store.get("k", "a")
        assert record is not None
        assert record.data == {"by": winners[0]}
        assert await keys(store) == ["a", f"of-{winners[0]}"]

    @stated_by(Put, Store.apply)
    async def test_concurrent_counters_lose_no_step(self, store: Store):
        async def step() -> None:
            for _ in range(STEPS):
                record = await store.get("k", "n")
                found = record.revision if record else ABSENT
                count = record.data["n"] if record else 0
                assert isinstance(count, int)
                try:
                    await store.apply(put("n", {"n": count + 1}, expect=found))
                except Conflict:
                    continue
                return
            pytest.fail("a change was refused more often than others were made")

        await asyncio.gather(*(step() for _ in range(STEPS)))
        record = await store.get("k", "n")
        assert record is not None
        assert (record.data, record.revision) == ({"n": STEPS}, STEPS)

    async def test_readers_see_all_changes_of_a_call_or_none(self, store: Store):
        await store.apply(put("a", {"n": 0}), put("b", {"n": 0}))
        done = asyncio.Event()

        async def write() -> None:
            for number in range(1, 60):
                await store.apply(put("a", {"n": number}), put("b", {"n": number}))
            done.set()

        async def read() -> None:
            while not done.is_set():
                first, second = (await store.list("k")).records
                assert first.data == second.data
                await asyncio.sleep(0)

        await asyncio.gather(write(), read(), read())

    @stated_by(Store.list)
    async def test_a_record_is_found_by_its_present_terms_only(self, store: Store):
        await store.apply(put("a", terms=("x", "y")), put("b", terms=("y",)), put("c"))
        assert await keys(store) == ["a", "b", "c"]
        assert await keys(store, "y") == ["a", "b"]
        assert await keys(store, "x", "y") == ["a"]
        assert await keys(store, "x", "z") == []
        await store.apply(put("a", terms=("y", "z")), Remove(kind="k", key="b"))
        assert await keys(store, "x") == []
        assert await keys(store, "y") == ["a"]
        assert await keys(store, "y", "z") == ["a"]

    @stated_by(Store.list)
    async def test_terms_of_a_removed_record_do_not_come_back_with_a_new_one(self, store: Store):
        await store.apply(put("a", terms=("x",)))
        await store.apply(Remove(kind="k", key="a"), put("a", terms=("y",)))
        assert await keys(store, "x") == []
        assert await keys(store, "y") == ["a"]

    @stated_by(Store.list)
    async def test_a_rare_term_among_many_records_is_found(self, store: Store):
        for start in range(0, 1500, 100):
            rows = [put(f"{n:05}", terms=("tenant=t", "ended")) for n in range(start, start + 100)]
            await store.apply(*rows)
        await store.apply(
            put("00700", terms=("tenant=t", "living")), put("99999", terms=("tenant=t", "living"))
        )
        assert await keys(store, "living", "tenant=t") == ["00700", "99999"]

    @stated_by(Store.list)
    @pytest.mark.parametrize("terms", [(), ("t",), ("t", "u")])
    async def test_pages_follow_each_other_without_gap_or_repetition(
        self, store: Store, terms: tuple[str, ...]
    ):
        names = [f"{n:03}" for n in range(25)]
        await store.apply(*(put(name, terms=terms) for name in reversed(names)))
        seen: list[str] = []
        cursor, pages = "", 0
        while pages == 0 or (cursor and pages < len(names)):
            page = await store.list("k", terms=frozenset(terms), after=cursor, limit=10)
            seen += [record.key for record in page.records]
            cursor, pages = page.cursor, pages + 1
        assert (seen, pages) == (names, 3)

    @stated_by(Store.list)
    async def test_a_page_that_holds_exactly_the_rest_is_the_last(self, store: Store):
        await store.apply(put("a"), put("b"))
        assert (await store.list("k", limit=2)).cursor == ""

    @stated_by(Store.list)
    async def test_keys_are_ordered_by_code_point(self, store: Store):
        names = ["B", "a", "b", "ä", "\uffee", "\U0001f600", "aa", "a/b", "A"]
        await store.apply(*(put(name) for name in names))
        assert await keys(store) == sorted(names)

    @stated_by(Store.list)
    async def test_a_page_goes_on_after_a_record_that_has_gone(self, store: Store):
        await store.apply(put("a"), put("c"))
        assert [record.key for record in (await store.list("k", after="b")).records] == ["c"]

    async def test_what_was_returned_cannot_change_what_is_stored(self, store: Store):
        data: JsonObject = {"list": [1]}
        (written,) = await store.apply(put("a", data))
        assert written is not None
        read = await store.get("k", "a")
        assert read is not None
        for given in (data, written.data, read.data, (await store.list("k")).records[0].data):
            given["list"] = "changed"
        record = await store.get("k", "a")
        assert record is not None
        assert json.dumps(record.data) == '{"list": [1]}'

    @stated_by(Store)
    @pytest.mark.parametrize("name", ["", "x" * 201, "nul\0", "half \ud800"])
    async def test_a_name_that_no_database_could_hold_is_refused(self, store: Store, name: str):
        with pytest.raises(ValidationFailed, match="kind"):
            await store.get(name, "a")
        with pytest.raises(ValidationFailed, match="key"):
            await store.apply(put("fine"), put(name))
        with pytest.raises(ValidationFailed, match="key"):
            await store.apply(Remove(kind="k", key=name))
        with pytest.raises(ValidationFailed, match="kind"):
            await store.list(name)
        with pytest.raises(ValidationFailed, match="log"):
            await store.read(name)
        assert await keys(store) == []

    @stated_by(Store)
    async def test_the_longest_names_are_taken(self, store: Store):
        longest = "\U0001f600" * 200
        await store.apply(Put(kind=longest, key=longest, data={}, terms=frozenset({"t" * 1000})))
        assert await keys(store, "t" * 1000, kind=longest) == [longest]

    @stated_by(Store)
    async def test_many_terms_are_taken_and_too_many_refused(self, store: Store):
        many = tuple(f"t{number}" for number in range(200))
        await store.apply(put("a", terms=many))
        assert await keys(store, *many) == ["a"]
        with pytest.raises(ValidationFailed, match="terms"):
            await store.apply(put("b", terms=(*many, "one more")))
        with pytest.raises(ValidationFailed, match="terms"):
            await store.list("k", terms=frozenset({*many, "one more"}))

    @pytest.mark.parametrize("data", [{"n": float("nan")}, {"b": b"bytes"}, {"s": {1, 2}}])
    async def test_data_that_are_not_json_are_refused(self, store: Store, data: JsonObject):
        with pytest.raises(ValidationFailed, match="data"):
            await store.apply(put("fine"), put("a", data))
        assert await keys(store) == []

    @stated_by(Store.list)
    @pytest.mark.parametrize("limit", [0, -1, 1001])
    async def test_a_limit_out_of_bounds_is_refused(self, store: Store, limit: int):
        with pytest.raises(ValidationFailed, match="limit"):
            await store.list("k", limit=limit)
        with pytest.raises(ValidationFailed, match="limit"):
            await store.read("log", limit=limit)
