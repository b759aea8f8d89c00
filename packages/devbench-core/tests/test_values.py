"""Values: what attrs would have made of them, written once."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from devbench_core.values import frozen


@frozen
class Point:
    x: int
    y: int = 0
    secret: str = attrs.field(default="", repr=False)
    seen: int = attrs.field(default=0, eq=False)


@attrs.frozen(kw_only=True)
class Plain:
    x: int
    y: int = 0
    secret: str = attrs.field(default="", repr=False)
    seen: int = attrs.field(default=0, eq=False)


@frozen
class Deeper(Point):
    z: int = 0


@frozen
class Own:
    name: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and self.name.lower() == other.name.lower()

    def __hash__(self) -> int:
        return hash(self.name.lower())

    def __repr__(self) -> str:
        return f"<{self.name}>"


@pytest.mark.parametrize(
    "given",
    [
        {"x": 1},
        {"x": 1, "y": 2},
        {"x": 1, "secret": "s3"},
        {"x": 1, "seen": 9},
        {"x": float("nan")},
        {"x": "a'b"},
    ],
)
def test_a_value_is_shown_and_compared_as_attrs_does_it(given: dict[str, Any]) -> None:
    ours, theirs = Point(**given), Plain(**given)
    assert repr(ours) == repr(theirs).replace("Plain", "Point")
    others: list[dict[str, Any]] = [{"x": 1}, {"x": 1, "y": 2}, given]
    for other in others:
        assert (ours == Point(**other)) == (theirs == Plain(**other))
        assert (ours != Point(**other)) == (theirs != Plain(**other))
    assert ours != theirs


def test_what_is_not_to_be_shown_is_not_shown() -> None:
    assert "s3cret" not in repr(Point(x=1, secret="s3cret"))


def test_values_that_are_equal_have_the_same_hash() -> None:
    assert hash(Point(x=1, seen=1)) == hash(Point(x=1, seen=2))
    assert len({Point(x=1), Point(x=1, y=0), Point(x=2)}) == 2


def test_a_class_beneath_compares_and_shows_its_own_fields_too() -> None:
    assert Deeper(x=1, z=2) == Deeper(x=1, z=2)
    assert Deeper(x=1, z=2) != Deeper(x=1, z=3)
    assert Deeper(x=1) != Point(x=1)
    assert repr(Deeper(x=1, z=2)) == "Deeper(x=1, y=0, seen=0, z=2)"


def test_what_a_class_defines_itself_stays() -> None:
    assert Own(name="A") == Own(name="a")
    assert len({Own(name="A"), Own(name="a")}) == 1
    assert repr(Own(name="A")) == "<A>"


def test_a_value_cannot_be_changed_and_takes_its_fields_by_name() -> None:
    point = Point(x=1)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        point.x = 2  # pyright: ignore[reportAttributeAccessIssue] - the test is that it cannot be done
    with pytest.raises(TypeError):
        Point(1)  # pyright: ignore[reportCallIssue] - the same
    assert attrs.evolve(point, y=3) == Point(x=1, y=3)
    assert attrs.asdict(point) == {"x": 1, "y": 0, "secret": "", "seen": 0}
    assert not hasattr(point, "__dict__")
