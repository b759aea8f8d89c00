"""Values survive the way into the store and back."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import PurePosixPath

import attrs
import pytest

from devbench_core.errors import StoreFailed
from devbench_core.json_types import JsonObject
from devbench_core.model.container import Container, ContainerEnding, ContainerSpec, EndReason, Status
from devbench_core.model.execution import StreamName
from devbench_core.model.policy import Clause, Network, Policy
from devbench_core.records import from_json, to_json

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Everything:
    """One field of each sort."""

    text: str
    number: int
    ratio: float
    flag: bool
    raw: bytes
    at: datetime
    path: PurePosixPath
    stream: StreamName
    reasons: dict[Clause, str]
    words: tuple[str, ...]
    endings: tuple[ContainerEnding, ...]
    maybe: int | None = None
    nested: Policy | None = None


EVERYTHING = Everything(
    text="ä\0\u2028",
    number=2**62,
    ratio=0.1,
    flag=True,
    raw=bytes(range(256)),
    at=NOON,
    path=PurePosixPath("/workspace/a b"),
    stream=StreamName.STDERR,
    reasons={Clause.MEMORY: "no cgroup"},
    words=("a", "", "b"),
    endings=(ContainerEnding(reason=EndReason.IDLE, at=NOON, by="devbench"),),
    nested=Policy(network=Network.ENGINE, cpus=None),
)
CONTAINER = Container(
    id="c_1",
    tenant="default",
    created_by="local",
    spec=ContainerSpec(image="python", alias="web", labels={"team": "x"}, ttl_s=60.0),
    runtime="docker",
    status=Status.RUNNING,
    created_at=NOON,
)


def through_text(value: object) -> JsonObject:
    return json.loads(json.dumps(to_json(value)))


@pytest.mark.parametrize("value", [EVERYTHING, CONTAINER, attrs.evolve(EVERYTHING, maybe=3, nested=None)])
def test_a_value_comes_back_equal(value: object):
    assert from_json(type(value), through_text(value)) == value


def test_enums_come_back_as_enums():
    back = from_json(Everything, through_text(EVERYTHING))
    assert back.stream is StreamName.STDERR
    assert [type(clause) for clause in back.reasons] == [Clause]
    assert back.endings[0].reason is EndReason.IDLE
    assert from_json(Container, through_text(CONTAINER)).status is Status.RUNNING


def test_a_time_is_stored_and_read_in_utc():
    away = attrs.evolve(EVERYTHING, at=NOON.astimezone(timezone(timedelta(hours=5))))
    data = through_text(away)
    assert data["at"] == "2026-11-24T12:00:00.123456+00:00"
    assert from_json(Everything, data).at.tzinfo is UTC


def test_a_time_without_a_zone_is_refused_on_both_ways():
    with pytest.raises(ValueError, match="without a zone"):
        to_json(attrs.evolve(EVERYTHING, at=datetime(2026, 1, 1)))  # noqa: DTZ001 - the fault under test
    with pytest.raises(StoreFailed, match="without a zone"):
        from_json(Everything, {**through_text(EVERYTHING), "at": "2026-01-01T00:00:00"})


def test_what_a_newer_version_added_is_ignored():
    data = through_text(CONTAINER)
    spec = data["spec"]
    assert isinstance(spec, dict)
    spec["gpu"] = {"count": 1}
    assert from_json(Container, {**data, "mood": "sunny"}) == CONTAINER


def test_what_an_older_version_did_not_know_gets_its_default():
    data = through_text(CONTAINER)
    del data["instance"]
    assert from_json(Container, data).instance == ""


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("text", 5),
        ("number", "5"),
        ("number", True),
        ("ratio", "0.1"),
        ("flag", 1),
        ("at", 0),
        ("at", "noon"),
        ("path", 1),
        ("stream", 9),
        ("reasons", {"unheard_of": "x"}),
        ("reasons", "text"),
        ("words", "text"),
        ("words", {"a": 1}),
        ("words", [1]),
        ("endings", [{"reason": "idle"}]),
        ("maybe", "3"),
        ("nested", "none"),
    ],
)
def test_a_wrong_type_is_refused_and_named(field: str, wrong: object):
    data = {**through_text(EVERYTHING), field: wrong}
    with pytest.raises(StoreFailed, match=rf"a stored Everything cannot be read: .*\$\.{field}"):
        from_json(Everything, data)  # pyright: ignore[reportArgumentType] - wrong on purpose


def test_a_missing_field_is_named():
    data = through_text(EVERYTHING)
    del data["text"]
    with pytest.raises(StoreFailed, match="text"):
        from_json(Everything, data)
