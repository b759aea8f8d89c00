"""Images on a real engine, pulled from a real (small) registry."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import ImageNotFound, ImagePullFailed, ImageRefused
from devbench_core.images import Images
from devbench_core.images.settings import ImageSettings
from devbench_core.model.caller import Caller
from devbench_core.model.image import PullProgress
from devbench_runtime_docker import plugin
from engines.api import DockerApi
from harness.registry import Registry

OpenImages = Callable[..., Images]
Events = list[tuple[str, dict[str, object]]]


@pytest.fixture
async def runtime(docker_host: str, tmp_path: Path) -> AsyncGenerator[Runtime]:
    (provider,) = plugin.devbench_runtimes()
    context = OpenContext(
        installation="i_images", state_dir=tmp_path, cache_dir=tmp_path, clock=SystemClock()
    )
    async with provider.open(provider.settings.model_validate({"host": docker_host}), context) as opened:
        yield opened


@pytest.fixture
def events() -> Events:
    return []


@pytest.fixture
def images(runtime: Runtime, events: Events) -> OpenImages:
    def emit(name: str, _caller: Caller | None, fields: dict[str, object]) -> None:
        events.append((name, fields))

    def make(**settings: Any) -> Images:
        return Images(runtime, ImageSettings.model_validate(settings), SystemClock(), emit)

    return make


@asynccontextmanager
async def removed_afterwards(docker_host: str, *names: str) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        for name in names:
            await asyncio.to_thread(DockerApi(docker_host).remove_image, name)


async def test_an_image_that_the_engine_has_is_resolved_and_remembered(
    images: OpenImages, docker_image: Callable[[str], str]
):
    resolving = images(aliases={"small": docker_image("busybox")})
    image = await resolving.resolve("small")
    assert image.name == "docker.io/devbench-test/busybox:latest"
    assert image.id.startswith("sha256:")
    assert await resolving.resolve(docker_image("busybox")) == image
    assert (resolving.cache.hits, resolving.cache.misses) == (1, 1)
    assert (await resolving.resolve(image.id)).id == image.id
    assert image.name in [each.name for each in await resolving.list()]


async def test_a_mistyped_name_suggests_the_near_one(images: OpenImages, docker_image: Callable[[str], str]):
    with pytest.raises(ImageNotFound, match="pull_policy is never") as caught:
        await images(pull_policy="never").resolve(docker_image("busybox").replace("busybox", "busybocks"))
    assert caught.value.hint == "did you mean 'docker.io/devbench-test/busybox:latest'?"


async def test_a_missing_image_is_pulled_once_for_all_who_wait_with_progress(
    images: OpenImages, events: Events, registry: Registry, docker_host: str
):
    digest = registry.publish("team/tool", "1", b"hello" * 10_000)
    name = f"{registry.host}/team/tool:1"
    steps: list[list[PullProgress]] = [[] for _ in range(5)]

    def follower(number: int):
        async def follow(step: PullProgress) -> None:
            steps[number].append(step)

        return follow

    resolving = images(pin_digests=True)
    async with removed_afterwards(docker_host, name):
        found = await asyncio.gather(
            *(resolving.resolve(name, progress=follower(number)) for number in range(5))
        )
        assert {(image.name, image.digest) for image in found} == {(name, digest)}
        assert found[0].env == {"A": "1"}
        assert events == [("image.pulled", {"image": name})]
        assert all(told for told in steps)
        by_digest = f"{registry.host}/team/tool@{digest}"
        assert (await resolving.resolve(by_digest)).id == found[0].id


async def test_the_policy_always_sees_what_a_tag_means_now(
    images: OpenImages, registry: Registry, docker_host: str
):
    name = f"{registry.host}/team/moving"
    first = registry.publish("team/moving", "latest", b"one")
    async with removed_afterwards(docker_host, name, f"{name}@{first}"):
        assert (await images(pull_policy="always").resolve(name)).digest == first
        second = registry.publish("team/moving", "latest", b"two")
        assert (await images(pull_policy="missing").resolve(name)).digest == first
        assert (await images(pull_policy="always").resolve(name)).digest == second


async def test_credentials_are_given_to_their_registry_only(
    images: OpenImages, registry: Registry, docker_host: str, monkeypatch: pytest.MonkeyPatch
):
    registry.publish("team/secret", "1", b"secret")
    registry.user_and_password = "robot:geheim"
    name = f"{registry.host}/team/secret:1"
    monkeypatch.setenv("REGISTRY_PASSWORD", "geheim")
    right = {"registry": registry.host, "username": "robot", "password_env": "REGISTRY_PASSWORD"}
    async with removed_afterwards(docker_host, name):
        for registries in ([], [{**right, "registry": "other.example"}]):
            with pytest.raises(ImagePullFailed) as caught:
                await images(registries=registries).resolve(name)
            assert "geheim" not in str(caught.value)
        assert (await images(registries=[right]).resolve(name)).name == name


async def test_an_unknown_tag_is_a_failed_pull(images: OpenImages, registry: Registry):
    with pytest.raises(ImagePullFailed, match="team/none"):
        await images().resolve(f"{registry.host}/team/none:1")


async def test_an_image_built_here_cannot_be_pinned(images: OpenImages, docker_image: Callable[[str], str]):
    with pytest.raises(ImageRefused, match="pin_digests"):
        await images(pin_digests=True).resolve(docker_image("busybox"))


async def test_an_image_that_is_not_allowed_is_neither_pulled_nor_listed(
    images: OpenImages, registry: Registry, docker_image: Callable[[str], str]
):
    registry.publish("team/tool", "1", b"hello")
    resolving = images(allow=["devbench-test/empty:*"])
    with pytest.raises(ImageRefused):
        await resolving.resolve(f"{registry.host}/team/tool:1")
    assert registry.manifest_reads == 0
    assert [image.name for image in await resolving.list()] == ["docker.io/devbench-test/empty:latest"]
    assert (await resolving.resolve(docker_image("empty"))).name == "docker.io/devbench-test/empty:latest"
