"""Slots: taken exactly as often as allowed, and always given back."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbench_core.errors import ConcurrencyLimit
from devbench_core.execs.slots import Slots


@given(st.integers(1, 4), st.lists(st.tuples(st.booleans(), st.sampled_from("ab")), max_size=60))
def test_the_count_is_exact_after_any_sequence(limit: int, steps: list[tuple[bool, str]]) -> None:
    slots, model = Slots(limit), Counter[str]()
    for take, name in steps:
        if take and model[name] >= limit:
            with pytest.raises(ConcurrencyLimit):
                slots.take(name)
        elif take:
            slots.take(name)
            model[name] += 1
        elif model[name]:
            slots.free(name)
            model[name] -= 1
        assert slots.taken(name) == model[name]
