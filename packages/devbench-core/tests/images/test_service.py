"""The rules of names, permissions, remembering and pulling, on a runtime whose images are a shelf in memory."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from pydantic import ValidationError

from devbench_core import metrics
from devbench_core.clock import SystemClock
from devbench_core.contracts.powers import SupportsPull
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import (
    ConfigurationInvalid,
    ImageNotFound,
    ImagePullFailed,
    ImageRefused,
    ValidationFailed,
    Vetoed,
)
from devbench_core.images import Images
from devbench_core.images.settings import ImageSettings
from devbench_core.model.caller import Caller
from devbench_core.model.capabilities import Capabilities
from devbench_core.model.event import Request, Veto
from devbench_core.model.image import Image, PullProgress, RegistryAuth
from devbench_core.testing.local import LocalRuntime

TOOL = "docker.io/team/tool:latest"
Make = Callable[..., Images]


class Ticking(SystemClock):
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.s = 1000.0

    def monotonic_s(self) -> float:
        return self.s


class Shelf(LocalRuntime):
    """A local runtime whose images come from a shelf, pulled step by step when told to go on."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.here: dict[str, Image] = {}
        self.remote: set[str] = set()
        self.asked: list[str] = []
        self.pulls: list[tuple[str, RegistryAuth | None]] = []
        self.stopped = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    @property
    def capabilities(self) -> Capabilities:
        return attrs.evolve(super().capabilities, images=True)

    def has(self, *names: str, digest: str = "") -> None:
        for name in names:
            self.here[name] = Image(name=name, id=f"sha256:{name}", digest=digest)

    async def resolve_image(self, name: str) -> Image:
        self.asked.append(name)
        if name not in self.here:
            raise ImageNotFound(f"no image {name!r}")
        return self.here[name]

    async def images(self) -> tuple[Image, ...]:
        return tuple(self.here[name] for name in sorted(self.here))

    async def pull(self, name: str, auth: RegistryAuth | None) -> AsyncIterator[PullProgress]:
        self.pulls.append((name, auth))
        try:
            yield PullProgress(status="first")
            await self.go_on.wait()
            if name not in self.remote:
                raise ImagePullFailed(f"no {name}")
            yield PullProgress(status="last")
        finally:
            self.stopped += 1
        self.has(name)


def proofs(shelf: Shelf) -> tuple[Runtime, SupportsPull]:
    """Prove the shelf's types."""
    return shelf, shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def events() -> list[dict[str, object]]:
    return []


@pytest.fixture
def make(shelf: Shelf, clock: Ticking, events: list[dict[str, object]]) -> Make:
    def emit(_name: str, _caller: Caller | None, fields: dict[str, object]) -> None:
        events.append(fields)

    def images(
        runtime: Runtime = shelf, review: Callable[[Request], Veto | None] = lambda _: None, **settings: Any
    ) -> Images:
        return Images(runtime, ImageSettings.model_validate(settings), clock, emit, review)

    return images


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_aliases_defaults_and_the_default_registry_lead_to_one_full_name(make: Make):
    images = make(
        default="py", aliases={"py": "python:3.11"}, default_registry="Registry.Local:5000", allow=["*"]
    )
    assert images.full_name("") == images.full_name("py") == "registry.local:5000/python:3.11"
    assert images.full_name("docker.io/redis") == "docker.io/library/redis:latest"
    assert images.full_name("sha256:abc") == "sha256:abc"


async def test_no_name_and_no_default_says_what_to_set(make: Make):
    with pytest.raises(ImageNotFound) as caught:
        await make().resolve()
    assert "images.default" in caught.value.hint


async def test_what_is_no_reference_is_refused_before_the_engine_is_asked(make: Make, shelf: Shelf):
    with pytest.raises(ValidationFailed):
        await make().resolve("No Image")
    assert shelf.asked == []


async def test_a_runtime_without_registries_gets_names_as_they_are(make: Make, tmp_path: Path):
    images = make(LocalRuntime(tmp_path), pin_digests=True)
    assert (await images.resolve()).name == "host"
    assert (await images.resolve("host")).name == "host"
    with pytest.raises(ImageNotFound, match="'hsot'") as caught:
        await images.resolve("hsot")
    assert caught.value.hint == "did you mean 'host'?"
    with pytest.raises(ImageRefused):
        await make(LocalRuntime(tmp_path), allow=["busybox"]).resolve("host")


@pytest.mark.parametrize(
    ("allow", "name", "allowed"),
    [
        (["*"], "evil.example/x", True),
        ([], "python", False),
        (["docker.io/library/*"], "python", True),
        (["docker.io/library/*"], "team/tool", False),
        (["python:*"], "python:3.11", True),
        (["python:*"], "evil.example/python:3.11", False),
        (["python:3.*"], "python", False),
        (["team/*"], "team/tool", True),
        (["team/*"], "evil.example/team/tool", False),
        (["registry.local/*"], "registry.local.evil.example/x", False),
        (["registry.local/*"], "REGISTRY.local/x", True),
        (["*@sha256:*"], "python", False),
        (["*@sha256:*"], f"python@sha256:{'0' * 64}", True),
        (["docker.io/*"], f"sha256:{'0' * 64}", False),
    ],
)
async def test_the_allow_list_looks_at_the_full_name(
    make: Make, shelf: Shelf, allow: list[str], name: str, allowed: bool
):
    images = make(allow=allow)
    shelf.has(images.full_name(name))
    if allowed:
        assert (await images.resolve(name)).name == images.full_name(name)
        return
    with pytest.raises(ImageRefused, match="not allowed") as caught:
        await images.resolve(name)
    assert "images.allow" in caught.value.hint
    assert shelf.asked == []
    assert await images.list() == ()


async def test_an_alias_opens_no_way_around_the_allow_list(make: Make):
    with pytest.raises(ImageRefused):
        await make(aliases={"python": "evil.example/x"}, allow=["python:*"]).resolve("python")


async def test_a_resolution_is_remembered_for_its_time_only(make: Make, shelf: Shelf, clock: Ticking):
    images = make(cache_ttl_s=3600)
    shelf.has(TOOL)
    for _ in range(3):
        await images.resolve("team/tool")
    clock.s += 3599
    await images.resolve("team/tool:latest")
    assert shelf.asked == [TOOL]
    clock.s += 1
    await images.resolve("team/tool")
    assert shelf.asked == [TOOL, TOOL]
    images.forget("team/tool")
    await images.resolve("team/tool")
    assert (images.cache.hits, images.cache.misses) == (3, 3)


async def test_an_image_that_was_not_found_is_not_remembered(make: Make, shelf: Shelf):
    images = make(pull_policy="never")
    with pytest.raises(ImageNotFound):
        await images.resolve("team/tool")
    shelf.has(TOOL)
    assert (await images.resolve("team/tool")).name == TOOL


async def test_the_memory_is_bounded_and_keeps_what_is_used(make: Make, shelf: Shelf):
    images = make(cache_size=2)
    shelf.has(*(f"docker.io/library/{name}:latest" for name in "abc"))
    for name in "abacac":
        await images.resolve(name)
    assert [full[18] for full in shelf.asked] == ["a", "b", "c"]
    await images.resolve("b")
    assert [full[18] for full in shelf.asked] == ["a", "b", "c", "b"]


async def test_a_realistic_replay_is_answered_from_memory_in_more_than_four_of_five_cases(
    make: Make, shelf: Shelf, clock: Ticking
):
    """Eight hours of 2,000 spawns: few images that are used much, many that are used seldom."""
    chance = random.Random(10)  # noqa: S311 - repeatable, not secret
    names = [f"team/image-{number}" for number in range(60)]
    weights = [1 / (rank + 1) for rank in range(60)]
    images = make()
    shelf.has(*(f"docker.io/{name}:latest" for name in names))
    before = {result: counted(result) for result in ("hit", "miss")}
    for name in chance.choices(names, weights, k=2000):
        clock.s += chance.expovariate(1 / 14.4)
        await images.resolve(name)
        await asyncio.sleep(0)
    hits, misses = (counted(result) - before[result] for result in ("hit", "miss"))
    assert hits + misses == 2000
    assert hits / 2000 > 0.8


def counted(result: str) -> float:
    return metrics.registry().get_sample_value("devbench_image_cache_total", {"result": result}) or 0


async def test_never_pulls_nothing(make: Make, shelf: Shelf):
    shelf.remote.add(TOOL)
    with pytest.raises(ImageNotFound, match="pull_policy is never"):
        await make(pull_policy="never").resolve("team/tool")
    assert shelf.pulls == []


async def test_missing_pulls_what_is_missing_only(make: Make, shelf: Shelf, events: list[dict[str, object]]):
    shelf.remote.add(TOOL)
    shelf.has("docker.io/team/other:latest")
    images = make(pull_policy="missing")
    await images.resolve("team/tool")
    await images.resolve("team/other")
    assert [name for name, _ in shelf.pulls] == [TOOL]
    assert events == [{"image": TOOL}]


async def test_always_pulls_at_each_resolution(make: Make, shelf: Shelf):
    shelf.remote.add(TOOL)
    images = make(pull_policy="always")
    for _ in range(3):
        await images.resolve("team/tool")
    assert len(shelf.pulls) == 3


@pytest.mark.parametrize("policy", ["missing", "always"])
async def test_an_engines_own_id_is_never_pulled(make: Make, shelf: Shelf, policy: str):
    with pytest.raises(ImageNotFound):
        await make(pull_policy=policy).resolve(f"sha256:{'0' * 64}")
    assert shelf.pulls == []


async def test_a_pull_shows_its_steps_to_all_who_wait_and_happens_once(make: Make, shelf: Shelf):
    shelf.remote.add(TOOL)
    shelf.go_on.clear()
    told: list[str] = []

    async def follow(step: PullProgress) -> None:
        told.append(step.status)

    images = make()
    waiting = [asyncio.create_task(images.resolve("team/tool", progress=follow)) for _ in range(10)]
    await until(lambda: bool(told))
    shelf.go_on.set()
    found = await asyncio.gather(*waiting)
    assert len(set(map(id, found))) == 1
    assert len(shelf.pulls) == 1
    assert told.count("last") == 10


async def test_a_failed_pull_fails_for_all_who_wait_and_can_be_tried_again(make: Make, shelf: Shelf):
    shelf.go_on.clear()
    images = make()
    waiting = [asyncio.create_task(images.resolve("team/tool")) for _ in range(3)]
    await until(lambda: bool(shelf.pulls))
    shelf.go_on.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ImagePullFailed] * 3
    shelf.remote.add(TOOL)
    assert (await images.resolve("team/tool")).name == TOOL


async def test_a_pull_survives_the_one_who_began_it(
    make: Make, shelf: Shelf, events: list[dict[str, object]]
):
    shelf.remote.add(TOOL)
    shelf.go_on.clear()
    images = make()
    first, second = (asyncio.create_task(images.resolve("team/tool")) for _ in range(2))
    await until(lambda: bool(shelf.pulls))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    shelf.go_on.set()
    assert (await second).name == TOOL
    assert events == [{"image": TOOL}]


async def test_a_pull_that_nobody_waits_for_is_stopped_and_a_new_one_can_begin(make: Make, shelf: Shelf):
    shelf.remote.add(TOOL)
    shelf.go_on.clear()
    images = make()
    waiting = [asyncio.create_task(images.resolve("team/tool")) for _ in range(3)]
    await until(lambda: bool(shelf.pulls))
    for task in waiting:
        task.cancel()
    late = asyncio.create_task(images.resolve("team/tool"))
    await asyncio.gather(*waiting, return_exceptions=True)
    shelf.go_on.set()
    assert (await late).name == TOOL
    assert shelf.stopped == len(shelf.pulls)


async def test_a_follower_that_fails_stops_neither_the_pull_nor_the_others(make: Make, shelf: Shelf):
    shelf.remote.add(TOOL)
    told: list[str] = []

    async def broken(_: PullProgress) -> None:
        raise ConnectionError("gone")

    async def follow(step: PullProgress) -> None:
        told.append(step.status)

    images = make()
    found = await asyncio.gather(
        images.resolve("team/tool", progress=broken), images.resolve("team/tool", progress=follow)
    )
    assert [image.name for image in found] == [TOOL, TOOL]
    assert told == ["first", "last"]


async def test_a_reviewer_can_refuse_a_pull(make: Make, shelf: Shelf):
    seen: list[Request] = []

    def review(request: Request) -> Veto | None:
        seen.append(request)
        return Veto(clause="quiet hours", reason="not now")

    shelf.remote.add(TOOL)
    with pytest.raises(Vetoed, match="quiet hours"):
        await make(review=review).resolve("team/tool")
    assert [(request.operation, request.subject) for request in seen] == [("image.pull", TOOL)]
    assert shelf.pulls == []


async def test_a_pinned_image_needs_a_digest(make: Make, shelf: Shelf):
    images = make(pin_digests=True)
    shelf.has(TOOL)
    with pytest.raises(ImageRefused, match="digest"):
        await images.resolve("team/tool")
    shelf.has(TOOL, digest="sha256:1")
    assert (await images.resolve("team/tool")).digest == "sha256:1"


async def test_a_password_comes_from_the_configuration_a_variable_or_a_file(
    make: Make, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("REGISTRY_PASSWORD", "from variable")
    (tmp_path / "password").write_text("from file\n")
    ways = {
        "a.example": {"password": "from configuration"},
        "b.example": {"password_env": "REGISTRY_PASSWORD"},
        "C.example": {"password_file": str(tmp_path / "password")},
    }
    entries = [{"registry": host, "username": "u", **way} for host, way in ways.items()]
    images = make(registries=entries)
    assert "from configuration" not in repr(ImageSettings.model_validate({"registries": entries}))
    for host in ("a", "b", "c", "d"):
        shelf.remote.add(f"{host}.example/x:latest")
        await images.resolve(f"{host}.example/x")
    given = [auth and auth.password.get_secret_value() for _, auth in shelf.pulls]
    assert given == ["from configuration", "from variable", "from file", None]


@pytest.mark.parametrize(
    "way", [{"password_env": "DEVBENCH_NOT_SET"}, {"password_file": "/nonexistent/password"}]
)
async def test_a_password_that_cannot_be_read_is_named(make: Make, shelf: Shelf, way: dict[str, str]):
    images = make(registries=[{"registry": "a.example", "username": "u", **way}])
    with pytest.raises(ConfigurationInvalid, match=r"a\.example"):
        await images.resolve("a.example/x")
    assert shelf.pulls == []


@pytest.mark.parametrize(
    "settings",
    [
        {"registries": [{"registry": "a.example", "username": "u"}]},
        {"registries": [{"registry": "a.example", "username": "u", "password": "p", "password_env": "E"}]},
        {"registries": [{"registry": "https://a.example", "username": "u", "password": "p"}]},
        {"default_registry": "a.example/path"},
        {"pull_policy": "sometimes"},
        {"cache_size": 0},
        {"unknown": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]):
    with pytest.raises(ValidationError):
        ImageSettings.model_validate(settings)
