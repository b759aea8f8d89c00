"""What is public is deprecated for two minor releases before it goes, and then it goes."""

from __future__ import annotations

import tomllib
import warnings
from pathlib import Path

import pytest

from public_api.deprecations import Version, faults

REPOSITORY = Path(__file__).parents[2]
SOURCES = sorted(REPOSITORY.glob("packages/*/src/**/*.py"))
NOW: Version = (0, 4)
GOOD = "`Store.put` is deprecated since 0.3 and is removed in 0.5: use `Store.apply`"


def version() -> Version:
    project = tomllib.loads((REPOSITORY / "packages/devbench-core/pyproject.toml").read_text())["project"]
    major, minor, *_ = project["version"].split(".")
    return int(major), int(minor)


def decorated(message: str) -> str:
    return f"from typing_extensions import deprecated\n@deprecated({message!r})\ndef put(): ...\n"


def test_nothing_that_is_deprecated_is_past_its_removal_or_says_it_otherwise():
    found = [
        f"{path.relative_to(REPOSITORY)}, {fault}"
        for path in SOURCES
        for fault in faults(path.read_text(encoding="utf-8"), version())
    ]
    assert found == []


def test_a_deprecation_that_warns_for_two_minor_releases_is_well():
    assert list(faults(decorated(GOOD), (0, 3))) == []
    assert list(faults(decorated(GOOD), (0, 4))) == []
    over_a_major = "`a` is deprecated since 0.9 and is removed in 1.1: use `b`"
    assert list(faults(decorated(over_a_major), (1, 0))) == []


@pytest.mark.parametrize("released", [(0, 5), (0, 6), (1, 0)])
def test_a_deprecation_past_its_removal_is_found(released: Version):
    (fault,) = faults(decorated(GOOD), released)
    assert "past its removal" in fault


@pytest.mark.parametrize(
    ("since", "removed"), [("0.3", "0.4"), ("0.3", "0.3"), ("1.9", "1.10"), ("0.9", "1.0"), ("1.0", "0.9")]
)
def test_a_removal_without_two_minor_releases_of_warning_is_found(since: str, removed: str):
    message = f"`a` is deprecated since {since} and is removed in {removed}: use `b`"
    (fault,) = faults(decorated(message), (0, 1))
    assert "two minor releases" in fault


@pytest.mark.parametrize(
    "source",
    [
        decorated("do not use it"),
        decorated("`a` is deprecated since 0.3 and is removed in 0.5"),
        "@deprecated(MESSAGE)\ndef put(): ...\n",
        "import warnings\nwarnings.warn('old', DeprecationWarning, stacklevel=2)\n",
        "import warnings\nwarnings.warn('old', category=DeprecationWarning, stacklevel=2)\n",
    ],
)
def test_a_deprecation_that_does_not_say_since_when_until_when_and_what_instead_is_found(source: str):
    (fault,) = faults(source, NOW)
    assert "not of the form" in fault


def test_a_warning_in_the_same_form_does_for_what_cannot_be_decorated():
    source = f"import warnings\nwarnings.warn({GOOD!r}, DeprecationWarning, stacklevel=2)\n"
    assert list(faults(source, NOW)) == []
    assert list(faults("import warnings\nwarnings.warn('other things')\n", NOW)) == []
    assert "past" in next(faults(source, (0, 5)))


def test_who_uses_what_is_deprecated_is_warned_at_his_own_line():
    space: dict[str, object] = {}
    exec(decorated(GOOD), space)  # noqa: S102 - our own text
    put = space["put"]
    assert callable(put)
    with pytest.warns(DeprecationWarning, match="since 0.3 and is removed in 0.5: use `Store.apply`") as seen:
        put()
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        with pytest.raises(DeprecationWarning):
            put()
