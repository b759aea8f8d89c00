"""One container that Docker cannot show hides no other; a silent Docker is told as such."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import CreateRequest
from devbench_core.engines.names import split_ref
from devbench_core.errors import EngineFailed, EngineUnreachable
from devbench_core.model.container import Status
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.opening import opened
from devbench_runtime_docker.runtime import DockerRuntime
from devbench_runtime_docker.settings import DockerSettings
from harness.losing_proxy import Proxy
from harness.lost_layers import without_layer

Requests = Callable[..., Awaitable[CreateRequest]]


@pytest.fixture
def proxy(docker_host: str) -> Proxy:
    """A way to the test engine."""
    return Proxy(Path(docker_host.removeprefix("unix://")))


@pytest.fixture
async def cut_off(
    proxy: Proxy, settings: DockerSettings, context: OpenContext, tmp_path: Path
) -> AsyncGenerator[DockerRuntime]:
    """Give a runtime by that way."""
    async with (
        proxy.at(tmp_path / "s") as host,
        opened(settings.model_copy(update={"host": host}), context) as docker,
    ):
        yield docker
        proxy.keeps_back = b""


async def shown(engine: Engine, ref: str) -> dict[str, Any]:
    found: dict[str, Any] = await engine.call("GET", f"containers/{split_ref(ref)[0]}/json", doing="look")
    return found


async def test_a_container_that_docker_fails_to_show_is_unknown_and_hides_no_other(
    runtime: DockerRuntime, context: OpenContext, wanted: Requests, engine: Engine
):
    refs = [await runtime.create(await wanted()) for _ in range(3)]
    damaged = await runtime.inspect(refs[1])
    async with without_layer(await shown(engine, damaged.ref)):
        with pytest.raises(EngineFailed):
            await runtime.inspect(damaged.ref)
        seen = {each.ref: each async for each in runtime.list(context.installation)}
    assert {each.ref: each.status for each in seen.values()} == {
        ref: Status.UNKNOWN if ref == damaged.ref else Status.CREATING for ref in refs
    }
    assert seen[damaged.ref] == attrs.evolve(damaged, status=Status.UNKNOWN)


async def test_a_container_about_which_docker_is_silent_is_unknown_and_hides_no_other(
    proxy: Proxy, cut_off: DockerRuntime, runtime: DockerRuntime, context: OpenContext,
    wanted: Requests, engine: Engine,
):  # fmt: skip
    refs = [await runtime.create(await wanted()) for _ in range(3)]
    for ref in refs:
        await runtime.start(ref)
    proxy.keeps_back = f"/containers/{(await shown(engine, refs[1]))['Id']}/json".encode()
    seen = {each.ref: each.status async for each in cut_off.list(context.installation)}
    assert seen == {ref: Status.UNKNOWN if ref == refs[1] else Status.RUNNING for ref in refs}


async def test_a_docker_that_falls_silent_in_the_middle_of_a_list_is_unreachable(
    proxy: Proxy, cut_off: DockerRuntime, runtime: DockerRuntime, context: OpenContext, wanted: Requests
):
    for _ in range(2):
        await runtime.create(await wanted())
    listed = cut_off.list(context.installation)
    assert (await anext(listed)).status is Status.CREATING
    proxy.keeps_back = b"/containers/"
    with pytest.raises(EngineUnreachable):
        await anext(listed)
