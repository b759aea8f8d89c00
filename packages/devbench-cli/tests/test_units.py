from __future__ import annotations

import pytest

from devbench_cli.units import duration_s, pairs, size_bytes
from devbench_core.errors import ValidationFailed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("8h", 28800), ("2d", 172800), ("1.5h", 5400), ("never", None)],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float | None):
    assert duration_s("--ttl", text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1s", "soon", "5w", "1h30m"])
def test_what_is_no_duration_is_refused_with_the_options_name(text: str):
    with pytest.raises(ValidationFailed, match="--ttl"):
        duration_s("--ttl", text)


@pytest.mark.parametrize(
    ("text", "size"), [("1024", 1024), ("512M", 512 << 20), ("2g", 2 << 30), ("1GiB", 1 << 30), ("0.5k", 512)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int):
    assert size_bytes("--memory", text) == size


def test_what_is_no_size_is_refused():
    with pytest.raises(ValidationFailed, match="--memory"):
        size_bytes("--memory", "much")


def test_pairs_keep_everything_after_the_first_equals_sign():
    assert pairs("--env", ["A=1", "B=x=y", "A=2", "C="]) == {"A": "2", "B": "x=y", "C": ""}


def test_a_bare_name_takes_our_own_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLOUR", "blue")
    assert pairs("--env", ["COLOUR"], inherit=True) == {"COLOUR": "blue"}


@pytest.mark.parametrize(("text", "inherit"), [("A", False), ("=1", True), ("NOT_SET_ANYWHERE", True)])
def test_what_is_no_pair_is_refused(text: str, inherit: bool):
    with pytest.raises(ValidationFailed, match="--env"):
        pairs("--env", [text], inherit=inherit)
