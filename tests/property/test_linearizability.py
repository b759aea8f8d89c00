"""The checker of histories says yes to what can have happened in one order, and no to what cannot."""

from __future__ import annotations

import math
from collections.abc import Hashable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.histories import checker, models
from harness.histories.checker import Operation, TooManyError, refuted

SECOND = 1.0


def op(
    called: float, back: float, name: str, asked: Hashable = None, told: Hashable = None, key: str = "x"
) -> Operation:
    return Operation(key=key, name=name, asked=asked, told=told, called=called, back=back)


EXPLAINED = {
    "a read beside a write sees what was before": [op(0, 3, "write", 1), op(1, 2, "read", told=(0,))],
    "a read beside a write sees what is after": [op(0, 3, "write", 1), op(1, 2, "read", told=(1,))],
    "one of two swaps": [op(0, 2, "swap", (0, 1), True), op(1, 3, "swap", (0, 2), False)],
    "a write of a crashed client happens late": [
        op(0, math.inf, "write", 1),
        op(1, 2, "read", told=(0,)),
        op(3, 4, "read", told=(1,)),
    ],
    "a write of a crashed client never happens": [op(0, math.inf, "write", 1), op(1, 2, "read", told=(0,))],
    "a swap of unknown outcome was refused": [
        op(0, 1, "write", 5),
        op(2, math.inf, "swap", (0, 1)),
        op(3, 4, "read", told=(5,)),
    ],
    "keys are independent": [op(0, 1, "write", 1, key="a"), op(2, 3, "read", told=(0,), key="b")],
}
REFUTED = {
    "a stale read": [op(0, 1, "write", 1), op(2, 3, "read", told=(0,))],
    "a value that nobody wrote": [op(0, 1, "read", told=(7,))],
    "two swaps from one value": [op(0, 2, "swap", (0, 1), True), op(1, 3, "swap", (0, 2), True)],
    "a read that goes back": [
        op(0, 9, "write", 1),
        op(1, 2, "read", told=(1,)),
        op(3, 4, "read", told=(0,)),
    ],
    "a swap that was refused, and yet done": [
        op(0, 1, "swap", (0, 1), False),
        op(2, 3, "read", told=(1,)),
    ],
    "what is unknown happens before it was asked": [
        op(0, 1, "read", told=(1,)),
        op(2, math.inf, "write", 1),
    ],
    "what is unknown happens twice": [
        op(0, math.inf, "write", 1),
        op(1, 2, "read", told=(1,)),
        op(3, 4, "write", 2),
        op(5, 6, "read", told=(2,)),
        op(7, 8, "read", told=(1,)),
    ],
}


@pytest.mark.parametrize("history", EXPLAINED.values(), ids=EXPLAINED)
def test_a_register_explains(history: list[Operation]):
    assert refuted(history, models.register, 0) == []


@pytest.mark.parametrize("history", REFUTED.values(), ids=REFUTED)
def test_a_register_refutes(history: list[Operation]):
    assert refuted(history, models.register, 0) == history


FREE = (False, 0)
HELD_TWICE = [op(0, 1, "take", told=5), op(2, 3, "take", told=6), op(4, 5, "held", 5)]
LOST_LEASE = [op(0, 1, "take", told=5), op(1, math.inf, "give", 5), op(2, 3, "take", told=6)]


def test_a_lock_is_held_by_one_alone():
    assert refuted(HELD_TWICE, models.mutex, FREE)
    assert refuted([op(0, 1, "take", told=5), op(2, 3, "take", told=6)], models.mutex, FREE)
    given_back = [op(0, 1, "take", told=5), op(1, 3, "give", 5), op(2, 4, "take", told=6)]
    assert not refuted([*given_back, op(5, 6, "held", 6)], models.mutex, FREE)


def test_a_lost_lease_ends_at_any_time_and_is_not_held_afterwards():
    assert not refuted(LOST_LEASE, models.mutex, FREE)
    assert refuted([*LOST_LEASE, op(4, 5, "held", 5)], models.mutex, FREE)


def test_tokens_rise():
    assert refuted(
        [op(0, 1, "take", told=5), op(2, 3, "give", 5), op(4, 5, "take", told=5)], models.mutex, FREE
    )


def test_a_write_by_an_older_token_is_refused():
    later = [op(0, 1, "write", (5, "a"), True), op(2, 3, "write", (6, "b"), True)]
    assert not refuted([*later, op(4, 5, "write", (5, "c"), False)], models.fenced, (0, ""))
    assert refuted([*later, op(4, 5, "write", (5, "c"), True)], models.fenced, (0, ""))
    assert refuted([*later, op(4, 5, "read", told=("a",))], models.fenced, (0, ""))
    assert refuted([op(0, 1, "write", (5, "a"), False)], models.fenced, (0, ""))


def test_everybody_is_told_the_same_of_a_key():
    told = [op(0, 3, "start", told="x_1"), op(1, 2, "start", told="x_1"), op(4, math.inf, "start")]
    assert not refuted(told, models.claim, None)
    assert refuted([*told, op(5, 6, "start", told="x_2")], models.claim, None)


def test_an_alias_has_one_owner_until_he_gives_it_back():
    taken = [op(0, 1, "take", "c_1", True), op(2, 3, "take", "c_2", False)]
    assert not refuted([*taken, op(4, 6, "give", "c_1"), op(5, 7, "take", "c_3", True)], models.name, None)
    assert refuted([*taken, op(5, 7, "take", "c_3", True)], models.name, None)
    assert refuted([*taken, op(4, 5, "give", "c_1"), op(6, 7, "take", "c_3", False)], models.name, None)


def test_who_is_refused_an_alias_may_have_had_it_until_then():
    refused = [op(0, 3, "try", "c_1"), op(0, 3, "leave", "c_1")]
    assert not refuted(
        [*refused, op(1, 2, "take", "c_2", False), op(4, 5, "take", "c_3", True)], models.name, None
    )
    assert not refuted([*refused, op(1, 2, "take", "c_2", True)], models.name, None)
    assert refuted(
        [*refused, op(4, 5, "take", "c_2", False), op(6, 7, "take", "c_3", True)], models.name, None
    )


def test_what_was_never_answered_does_not_tangle_a_long_history():
    history = [op(4 * time, math.inf, "write", (time + 1, f"lost {time}")) for time in range(300)]
    for time in range(300):
        value = f"lost {time}" if time % 7 == 0 else time
        if time % 7:
            history.append(op(4 * time + 1, 4 * time + 2, "write", (time + 1, time), True))
        history += [op(4 * time + 3, 4 * time + 4, "read", told=(value,)) for _ in range(5)]
    assert not refuted(history, models.fenced, (0, None))


def test_a_history_that_is_too_tangled_is_not_called_good(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checker, "CONFIGURATIONS", 10)
    tangled = [op(0, 9, "write", number) for number in range(8)]
    with pytest.raises(TooManyError, match="9 operations of x"):
        refuted([*tangled, op(10, 11, "read", told=(99,))], models.register, 0)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["read", "write", "swap"]),
        st.integers(0, 3),
        st.integers(0, 3),
        st.floats(0, 5),
        st.floats(0, 5),
        st.sampled_from(["known", "known", "known", "lost", "never"]),
    ),
    max_size=25,
)


def run(steps: list[tuple[str, int, int, float, float, str]]) -> list[Operation]:
    """Do them one after the other on a real register, and widen when each was asked and answered."""
    value = 0
    history: list[Operation] = []
    for moment, (name, old, new, before, after, outcome) in enumerate(steps):
        told: Hashable = None
        asked: Hashable = {"read": None, "write": new, "swap": (old, new)}[name]
        if name == "read":
            told = (value,)
        elif outcome != "never":
            told = value == old if name == "swap" else None
            value = new if name == "write" or told else value
        known = outcome == "known" or (name == "read")
        back = moment + after if known else math.inf
        history.append(op(moment - before, back, name, asked, told if known else None))
    return history


@given(STEPS)
def test_what_was_done_in_one_order_is_explained(steps: list[tuple[str, int, int, float, float, str]]):
    assert refuted(run(steps), models.register, 0) == []


@given(STEPS, st.data())
def test_an_answer_that_no_order_gives_is_refuted(
    steps: list[tuple[str, int, int, float, float, str]], data: st.DataObject
):
    history = run([*steps, ("read", 0, 0, 0.0, 0.0, "known")])
    reads = [number for number, each in enumerate(history) if each.name == "read"]
    chosen = data.draw(st.sampled_from(reads))
    history[chosen] = attrs.evolve(history[chosen], told=(99,))
    assert refuted(history, models.register, 0) == history


@given(STEPS, st.integers(0, 3), st.integers(1, 3))
def test_a_value_that_was_overwritten_does_not_come_back(
    steps: list[tuple[str, int, int, float, float, str]], value: int, other: int
):
    known = [(*step[:5], "known") for step in steps]
    history = run([*known, ("write", 0, value, 0.0, 0.0, "known")])
    late = max((each.back for each in history), default=0.0) + SECOND
    stale = (value + other) % 4
    late_read = [
        op(late, late + 1, "write", value),
        op(late + 2, late + 3, "read", told=(stale,)),
    ]
    assert refuted([*history, *late_read], models.register, 0)
