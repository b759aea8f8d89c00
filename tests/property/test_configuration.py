"""Configuration: whatever stands in a file or a variable, there is a value or a named fault, never a crash."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from devbench_core.config.load import from_values
from devbench_core.config.settings import Settings
from devbench_core.errors import ConfigurationInvalid

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(sorted(Settings.model_fields)) | st.text(max_size=12)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_tables_give_settings_or_named_faults(values: dict[str, Any]):
    try:
        settings = from_values(values)
    except ConfigurationInvalid as error:
        faults = error.details["faults"]
        assert isinstance(faults, list)
        assert faults
    else:
        assert settings.lifetimes.check_interval_s > 0


@given(st.dictionaries(KEYS.map(lambda key: f"DEVBENCH_{key.upper()}"), st.text(max_size=20), max_size=4))
def test_any_variables_give_settings_or_named_faults(environ: dict[str, str]):
    try:
        from_values({}, environ=environ)
    except ConfigurationInvalid as error:
        assert error.message  # noqa: PT017 - either outcome is fine


@given(st.floats(min_value=0.001, max_value=3600), st.integers(min_value=1, max_value=1000))
def test_a_variable_wins_over_the_file_for_every_value(interval_s: float, batch: int):
    settings = from_values(
        {"lifetimes": {"check_interval_s": 1.0, "sweep_batch": batch}},
        environ={"DEVBENCH_LIFETIMES__CHECK_INTERVAL_S": repr(interval_s)},
    )
    assert settings.lifetimes.check_interval_s == interval_s
    assert settings.lifetimes.sweep_batch == batch
