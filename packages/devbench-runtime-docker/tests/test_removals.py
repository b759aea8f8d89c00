"""What the engine was to remove and did not goes later, while the host lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import LABEL_INSTALLATION, CreateRequest
from devbench_core.engines.names import split_ref, volumes_of
from devbench_core.engines.removals import Removals
from devbench_core.errors import EngineUnreachable
from devbench_core.model.policy import Policy
from devbench_core.tasks import background
from devbench_runtime_docker.calls import DockerCalls
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.opening import opened
from devbench_runtime_docker.settings import DockerSettings
from harness.losing_proxy import Proxy

Requests = Callable[..., Awaitable[CreateRequest]]
REMOVE_CONTAINER, MAKE_CONTAINER = b"DELETE /v1.41/containers/", b"POST /v1.41/containers/create"
REMOVE_VOLUME = b"DELETE /v1.41/volumes/"
WITHIN_S, LOOK_S = 20.0, 0.05
LATE_S = 1.0


@pytest.fixture
def proxy(docker_host: str) -> Proxy:
    """A way to the test engine."""
    return Proxy(Path(docker_host.removeprefix("unix://")))


@pytest.fixture
async def cut_off(proxy: Proxy, settings: DockerSettings, tmp_path: Path) -> AsyncGenerator[DockerSettings]:
    """Give settings by that way."""
    async with proxy.at(tmp_path / "s") as host:
        yield settings.model_copy(update={"host": host, "remove_timeout_s": WITHIN_S})


async def left(engine: Engine, context: OpenContext) -> list[str]:
    """Return the containers and volumes of an installation."""
    calls, labels = DockerCalls(engine), {LABEL_INSTALLATION: context.installation}
    found = [*await calls.containers(labels), *await calls.volumes(labels)]
    return [each.name for each in found]


async def until_left(engine: Engine, context: OpenContext, expected: list[str]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await left(engine, context) != expected:
            await asyncio.sleep(LOOK_S)


async def test_a_helper_whose_removal_was_cut_off_keeps_no_container_from_being_removed(
    proxy: Proxy, cut_off: DockerSettings, context: OpenContext, wanted: Requests
):
    async with opened(cut_off, context) as docker:
        proxy.keeps_back = REMOVE_CONTAINER
        ref = await docker.create(await wanted())
        proxy.keeps_back = b""
        await docker.remove(ref)


async def test_a_volume_whose_removal_was_cut_off_goes_after_its_container(
    proxy: Proxy, cut_off: DockerSettings, context: OpenContext, wanted: Requests, engine: Engine
):
    async with opened(cut_off, context) as docker:
        ref = await docker.create(await wanted())
        proxy.keeps_back = REMOVE_VOLUME
        with pytest.raises(EngineUnreachable):
            await docker.remove(ref)
        assert set(volumes_of(ref)) <= set(await left(engine, context))
        proxy.keeps_back = b""
        async with asyncio.timeout(WITHIN_S):
            while set(volumes_of(ref)) & set(await left(engine, context)):
                await asyncio.sleep(LOOK_S)


async def test_what_was_made_for_an_answer_that_never_came_goes_while_the_host_lives(
    proxy: Proxy, cut_off: DockerSettings, context: OpenContext, wanted: Requests, engine: Engine
):
    async with opened(cut_off, context) as docker:
        await docker.remove(await docker.create(await wanted()))
        before = await left(engine, context)
        proxy.loses_answers_to, proxy.losses = MAKE_CONTAINER, 1
        with pytest.raises(EngineUnreachable):
            await docker.create(await wanted(policy=Policy(user="2000")))  # nothing is ready for that one
        await until_left(engine, context, before)


class Watched(DockerCalls):
    """Says when the removal of a volume was tried."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.tried = asyncio.Event()

    async def remove_volume(self, name: str) -> None:
        try:
            await super().remove_volume(name)
        finally:
            self.tried.set()


async def test_what_the_engine_makes_after_it_was_to_be_removed_goes_too(
    engine: Engine, context: OpenContext
):
    engine.settings = engine.settings.model_copy(update={"fill_timeout_s": LATE_S})
    calls = Watched(engine)
    name = f"w-{context.installation}"
    async with background() as tasks:
        removals = Removals(calls, SystemClock(), tasks)
        removals.take_back(name, may_come=True)
        await calls.tried.wait()
        await calls.make_volume(name, {LABEL_INSTALLATION: context.installation})
        await until_left(engine, context, [])
        await removals.close()


class Silent(DockerCalls):
    """Loses its engine."""

    async def remove_volume(self, name: str) -> None:
        raise EngineUnreachable("silent")


async def test_what_the_engine_never_removes_does_not_keep_a_host_from_ending(engine: Engine):
    async with asyncio.timeout(WITHIN_S), background() as tasks:
        removals = Removals(Silent(engine), SystemClock(), tasks)
        removals.take_back("one")
        await removals.close()
        removals.take_back("another")


async def test_what_waits_to_be_removed_again_is_removed_when_the_host_closes(
    proxy: Proxy,
    cut_off: DockerSettings,
    context: OpenContext,
    wanted: Requests,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("devbench_core.engines.removals.FIRST_PAUSE_S", 600.0)
    async with opened(cut_off, context) as docker:
        proxy.keeps_back = REMOVE_CONTAINER
        ref = await docker.create(await wanted())
        proxy.keeps_back = b""
        monkeypatch.undo()
        await DockerCalls(engine).remove_container(split_ref(ref)[0])
    assert await left(engine, context) == volumes_of(ref)
    await DockerCalls(engine).remove_volume(volumes_of(ref)[0])
