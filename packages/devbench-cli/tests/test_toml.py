from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from devbench_cli.show.toml import to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(-1e9, 1e9), TEXT)
VALUES = st.recursive(
    st.one_of(SCALARS, st.lists(SCALARS, max_size=3)),
    lambda inner: st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_written_reads_back_the_same(values: dict[str, object]):
    assert tomllib.loads(to_toml(values)) == values


def test_what_is_not_set_is_a_comment():
    assert to_toml({"plugins": None, "runtime": "auto"}) == '# plugins is not set\nruntime = "auto"'
