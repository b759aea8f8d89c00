"""Ids are opaque, prefixed and never the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devbench_core.errors import ValidationFailed
from devbench_core.ids import PREFIXES, check_id, is_id, new_id

PREFIX = st.sampled_from(sorted(PREFIXES))


@given(PREFIX, PREFIX)
def test_an_id_is_of_its_own_prefix_only(prefix: str, other: str):
    assert is_id(new_id(prefix), other) == (prefix == other)


@given(PREFIX)
def test_ids_differ(prefix: str):
    assert len({new_id(prefix) for _ in range(100)}) == 100


@given(st.text(max_size=40), PREFIX)
def test_any_other_text_is_refused_by_its_field(text: str, prefix: str):
    if is_id(text, prefix):
        return
    with pytest.raises(ValidationFailed, match="exec_id"):
        check_id(text, prefix, "exec_id")


@given(PREFIX, st.text(min_size=1, max_size=3) | st.just("\n"))
def test_nothing_may_be_appended_to_an_id(prefix: str, more: str):
    assert not is_id(new_id(prefix) + more, prefix)
