"""Pulling, from a small registry on loopback: progress, credentials, and every way to fail."""

import os
from collections.abc import Generator

import pytest
from pydantic import SecretStr

from devbench_core.contracts.provider import OpenContext
from devbench_core.errors import ImageNotFound, ImagePullFailed
from devbench_core.model.image import PullProgress, RegistryAuth
from devbench_runtime_podman.engine import Engine
from devbench_runtime_podman.opening import opened
from devbench_runtime_podman.runtime import PodmanRuntime
from devbench_runtime_podman.settings import PodmanSettings
from harness.registry import Registry, serving

REPOSITORY = "tiny/image"
PASSWORD = "s3cret-of-the-test"


@pytest.fixture
def registry() -> Generator[Registry]:
    with serving() as found:
        yield found


@pytest.fixture
async def name(registry: Registry, engine: Engine):
    """A published image; it is removed from Podman afterwards."""
    registry.publish(REPOSITORY, "1", os.urandom(300_000))
    full = f"{registry.host}/{REPOSITORY}:1"
    yield full
    for each in await engine.call("GET", "images/json", doing="list"):
        if full in (each.get("RepoTags") or ()):
            await engine.call("DELETE", f"images/{each['Id']}", doing="clean up", params={"force": "true"})


async def pulled(runtime: PodmanRuntime, name: str, auth: RegistryAuth | None = None) -> list[PullProgress]:
    return [step async for step in runtime.pull(name, auth)]


async def test_an_image_is_pulled_with_progress_and_then_resolved(runtime: PodmanRuntime, name: str):
    with pytest.raises(ImageNotFound):
        await runtime.resolve_image(name)
    steps = await pulled(runtime, name)
    assert [step for step in steps if step.layer]
    image = await runtime.resolve_image(name)
    assert image.env["A"] == "1"
    assert name in {each.name for each in await runtime.images()}
    await pulled(runtime, name)


async def test_the_digest_names_it_too(runtime: PodmanRuntime, registry: Registry, name: str):
    await pulled(runtime, name)
    digest = (await runtime.resolve_image(name)).digest
    by_digest = f"{registry.host}/{REPOSITORY}@{digest}"
    await pulled(runtime, by_digest)
    assert (await runtime.resolve_image(by_digest)).id == (await runtime.resolve_image(name)).id


@pytest.mark.parametrize("password", [PASSWORD, "wrong", None])
async def test_credentials_open_a_private_registry_and_others_are_refused_without_being_shown(
    runtime: PodmanRuntime, registry: Registry, name: str, password: str | None
):
    registry.user_and_password = f"robot:{PASSWORD}"
    auth = (
        RegistryAuth(registry=registry.host, username="robot", password=SecretStr(password))
        if password
        else None
    )
    if password == PASSWORD:
        await pulled(runtime, name, auth)
        assert (await runtime.resolve_image(name)).id
        return
    with pytest.raises(ImagePullFailed, match="refuses it") as refused:
        await pulled(runtime, name, auth)
    assert "wrong" not in f"{refused.value} {refused.value.details}"


async def test_an_image_that_the_registry_lacks_is_said_so(runtime: PodmanRuntime, registry: Registry):
    with pytest.raises(ImagePullFailed, match="no such image"):
        await pulled(runtime, f"{registry.host}/tiny/absent:1")


async def test_a_registry_that_is_not_there_is_said_so(runtime: PodmanRuntime):
    with pytest.raises(ImagePullFailed, match="does not answer the engine"):
        await pulled(runtime, "127.0.0.1:1/tiny/image:1")


async def test_a_pull_that_makes_no_progress_is_given_up_after_the_bound(
    settings: PodmanSettings, context: OpenContext, registry: Registry, name: str
):
    registry.moving.clear()
    try:
        async with opened(settings.model_copy(update={"pull_stall_timeout_s": 0.5}), context) as podman:
            with pytest.raises(ImagePullFailed, match=r"no progress for 0\.5 s"):
                await pulled(podman, name)
            assert (await podman.ping()).version
    finally:
        registry.moving.set()
