"""The agent's volume: filled once, verified, safe when two hosts do it, swept when unused."""

import asyncio
import contextlib
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import AGENT_PATH, AgentProgram, CreateRequest
from devbench_core.engines import tars
from devbench_core.engines.agents import FOLDER, Agents
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.names import (
    LABEL_FILLER,
    LABEL_OWNER,
    LABEL_ROLE,
    ROLE_AGENT,
    ROLE_HELPER,
    agent_volume_name,
    fill_name,
    new_helper_name,
)
from devbench_core.engines.owner import this_process
from devbench_core.engines.removals import Removals
from devbench_core.engines.sweep import Sweep
from devbench_core.errors import EngineFailed, EngineUnreachable
from devbench_core.tasks import background
from devbench_runtime_docker.calls import DockerCalls
from devbench_runtime_docker.engine import Engine, connected
from devbench_runtime_docker.helper import helper, volume_mount
from devbench_runtime_docker.runtime import DockerRuntime
from devbench_runtime_docker.settings import DockerSettings
from harness.later import Later
from harness.losing_proxy import Proxy

Requests = Callable[..., Awaitable[CreateRequest]]


async def nothing(in_use: frozenset[str]) -> None:
    _ = in_use


async def put(engine: Engine, agent: AgentProgram, image_id: str) -> str:
    """Put an agent on an engine, as one of several hosts does."""
    calls, clock = DockerCalls(engine), SystemClock()
    async with background() as tasks:
        return await Agents(calls, clock, Removals(calls, clock, tasks), after_fill=nothing).ensure(
            agent, image_id
        )


@pytest.fixture
def odd_agent(tmp_path: Path, agent: AgentProgram) -> AgentProgram:
    """A program with a digest that no engine has seen; it still runs."""
    path = tmp_path / "agent"
    path.write_bytes(agent.path.read_bytes() + secrets.token_bytes(16))
    return AgentProgram(path=path, digest=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
async def cleaned(engine: Engine, odd_agent: AgentProgram):
    """Remove the odd agent's volume after the test."""
    yield
    name = agent_volume_name(odd_agent.digest)
    for path in (f"containers/{fill_name(odd_agent.digest)}?force=1", f"volumes/{name}"):
        with contextlib.suppress(EngineAnswer):  # most tests leave nothing
            await engine.call("DELETE", path, doing="clean up")


async def on_the_engine(engine: Engine, agent: AgentProgram, image_id: str) -> tuple[bytes, int]:
    """Read the agent back, as a stranger would."""
    mounts = [volume_mount(agent_volume_name(agent.digest), FOLDER)]
    async with helper(
        engine, image_id, mounts, {}, name=new_helper_name(), remove=DockerCalls(engine).remove_container
    ) as container:
        tar = await engine.get_archive(
            container, f"{FOLDER}/{AGENT_PATH.name}", doing="look", setting="fill_timeout_s"
        )
    return tars.only_file(tar)


async def volume(engine: Engine, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = await engine.call("GET", f"volumes/{name}", doing="look")
    except EngineAnswer:
        return None
    return found


@pytest.mark.usefixtures("cleaned")
async def test_the_program_arrives_whole_and_can_only_be_executed(
    engine: Engine, odd_agent: AgentProgram, docker_image: Callable[[str], str]
):
    name = await put(engine, odd_agent, docker_image("busybox"))
    data, mode = await on_the_engine(engine, odd_agent, docker_image("busybox"))
    assert data == odd_agent.path.read_bytes()
    assert mode & 0o7777 == 0o111
    found = await volume(engine, name)
    assert found is not None
    assert found["Labels"][LABEL_ROLE] == ROLE_AGENT


@pytest.mark.usefixtures("cleaned")
async def test_six_hosts_at_once_all_succeed_and_one_of_them_writes(
    settings: DockerSettings, engine: Engine, odd_agent: AgentProgram, docker_image: Callable[[str], str]
):
    writes = 0

    class Counting(Engine):
        async def put_archive(
            self, container: str, path: str, tar: bytes, *, doing: str, setting: str
        ) -> None:
            nonlocal writes
            writes += 1
            await super().put_archive(container, path, tar, doing=doing, setting=setting)

    async def host() -> str:
        async with connected(settings) as own:
            counting = Counting(own.client, own.endpoint, None, settings)
            await counting.negotiate()
            return await put(counting, odd_agent, docker_image("busybox"))

    names = await asyncio.gather(*(host() for _ in range(6)))
    assert set(names) == {agent_volume_name(odd_agent.digest)}
    assert writes == 1
    data, _ = await on_the_engine(engine, odd_agent, docker_image("busybox"))
    assert data == odd_agent.path.read_bytes()


@pytest.mark.usefixtures("cleaned")
async def test_a_half_filled_volume_is_filled_again(
    engine: Engine, odd_agent: AgentProgram, docker_image: Callable[[str], str]
):
    name, image = agent_volume_name(odd_agent.digest), docker_image("busybox")
    await engine.call(
        "POST", "volumes/create", doing="make", body={"Name": name, "Labels": {LABEL_ROLE: ROLE_AGENT}}
    )
    async with helper(
        engine,
        image,
        [volume_mount(name, FOLDER)],
        {},
        name=new_helper_name(),
        remove=DockerCalls(engine).remove_container,
    ) as container:
        half = tars.program(AGENT_PATH.name, odd_agent.path.read_bytes()[:5000], 0o111)
        await engine.put_archive(container, FOLDER, half, doing="fill by half", setting="fill_timeout_s")
    await put(engine, odd_agent, image)
    data, _ = await on_the_engine(engine, odd_agent, image)
    assert data == odd_agent.path.read_bytes()


@pytest.mark.usefixtures("cleaned")
async def test_the_helper_of_a_host_that_died_while_filling_is_taken_over(
    settings: DockerSettings, odd_agent: AgentProgram, docker_image: Callable[[str], str]
):
    short = settings.model_copy(update={"fill_timeout_s": 4.0})
    async with connected(short) as engine:
        await engine.negotiate()
        body = {"Image": docker_image("busybox"), "Entrypoint": ["/x"]}
        await engine.call(
            "POST", "containers/create", doing="die", params={"name": fill_name(odd_agent.digest)}, body=body
        )
        async with asyncio.timeout(20):
            await put(engine, odd_agent, docker_image("busybox"))


@pytest.mark.usefixtures("cleaned")
async def test_a_helper_of_ours_whose_making_was_not_answered_is_not_waited_for(
    settings: DockerSettings,
    odd_agent: AgentProgram,
    docker_host: str,
    docker_image: Callable[[str], str],
    tmp_path: Path,
):
    proxy = Proxy(Path(docker_host.removeprefix("unix://")))
    proxy.loses_answers_to = b"POST /v1.41/containers/create"
    async with (
        proxy.at(tmp_path / "s") as host,
        connected(settings.model_copy(update={"host": host})) as engine,
        background() as tasks,
    ):
        await engine.negotiate()
        calls, clock = DockerCalls(engine), SystemClock()
        agents = Agents(calls, clock, Removals(calls, clock, tasks), after_fill=nothing)
        proxy.losses = 1
        with pytest.raises(EngineUnreachable):
            await agents.ensure(odd_agent, docker_image("busybox"))
        async with asyncio.timeout(settings.fill_timeout_s / 3):
            await agents.ensure(odd_agent, docker_image("busybox"))


@pytest.mark.usefixtures("cleaned")
async def test_a_file_that_is_not_the_agent_is_never_put_there(
    engine: Engine, odd_agent: AgentProgram, docker_image: Callable[[str], str]
):
    wrong = attrs.evolve(odd_agent, path=Path(__file__))
    with pytest.raises(EngineFailed, match="is not the agent"):
        await put(engine, wrong, docker_image("busybox"))


@pytest.mark.usefixtures("cleaned")
async def test_a_volume_that_was_removed_behind_our_back_is_filled_again(
    runtime: DockerRuntime, engine: Engine, wanted: Requests, odd_agent: AgentProgram
):
    first = await runtime.create(await wanted(agent=odd_agent))
    await runtime.remove(first)
    await engine.call("DELETE", f"volumes/{agent_volume_name(odd_agent.digest)}", doing="remove")
    ref = await runtime.create(await wanted(agent=odd_agent))
    await runtime.start(ref)
    stream = await runtime.connect(ref)
    assert b"DVBA" in await stream.read()
    await stream.close()
    await runtime.remove(ref)


async def agents_of_others(engine: Engine) -> list[str]:
    """Return the volumes of other tests that run just now."""
    listed = (await engine.call("GET", "volumes", doing="list"))["Volumes"] or ()
    return [each["Name"] for each in listed if each["Name"].startswith("devbench-agent-")]


@pytest.mark.usefixtures("cleaned")
async def test_only_old_agents_that_nothing_uses_are_swept(
    runtime: DockerRuntime, engine: Engine, wanted: Requests, context: OpenContext, odd_agent: AgentProgram
):
    name = agent_volume_name(odd_agent.digest)
    later = Later(timedelta(hours=2))
    others = await agents_of_others(engine)
    ref = await runtime.create(await wanted(agent=odd_agent))

    await Sweep(DockerCalls(engine), later, context.installation).agents(frozenset(others))
    assert await volume(engine, name) is not None  # a container has it

    await runtime.remove(ref)
    await Sweep(DockerCalls(engine), SystemClock(), context.installation).agents(frozenset(others))
    assert await volume(engine, name) is not None  # it is young: another host may be about to use it

    await Sweep(DockerCalls(engine), later, context.installation).agents(frozenset({*others, name}))
    assert await volume(engine, name) is not None  # it is ours

    await Sweep(DockerCalls(engine), later, context.installation).agents(frozenset(others))
    assert await volume(engine, name) is None


@pytest.mark.usefixtures("cleaned")
@pytest.mark.parametrize("told", [True, False])
async def test_what_a_host_that_died_while_filling_left_is_swept_after_an_upgrade(
    told: bool,
    engine: Engine,
    context: OpenContext,
    odd_agent: AgentProgram,
    docker_image: Callable[[str], str],
):
    others, name = await agents_of_others(engine), agent_volume_name(odd_agent.digest)
    boot, namespace, _, _ = (await asyncio.to_thread(this_process)).split(":")
    owner = {LABEL_OWNER: f"{boot}:{namespace}:999999999:1"} if told else {}  # earlier versions told none
    await DockerCalls(engine).make_volume(name, {LABEL_ROLE: ROLE_AGENT})
    body = {
        "Image": docker_image("busybox"),
        "Entrypoint": ["/x"],
        "Labels": {LABEL_ROLE: ROLE_HELPER, LABEL_FILLER: "x", **owner},
        "HostConfig": {"Mounts": [volume_mount(name, FOLDER)]},
    }
    params = {"name": fill_name(odd_agent.digest)}
    await engine.call("POST", "containers/create", doing="die", params=params, body=body)
    later = Later(timedelta(hours=2))
    await Sweep(DockerCalls(engine), later, context.installation).agents(frozenset(others))
    assert await volume(engine, name) is None


@pytest.mark.usefixtures("cleaned")
async def test_a_sweep_leaves_an_agent_that_a_living_host_is_just_filling(
    settings: DockerSettings,
    engine: Engine,
    context: OpenContext,
    odd_agent: AgentProgram,
    docker_image: Callable[[str], str],
):
    others, later = await agents_of_others(engine), Later(timedelta(hours=2))

    class Swept(Engine):
        async def put_archive(
            self, container: str, path: str, tar: bytes, *, doing: str, setting: str
        ) -> None:
            await Sweep(DockerCalls(engine), later, context.installation).agents(frozenset(others))
            await super().put_archive(container, path, tar, doing=doing, setting=setting)

    async with connected(settings) as own:
        filling = Swept(own.client, own.endpoint, None, settings)
        await filling.negotiate()
        await put(filling, odd_agent, docker_image("busybox"))
    data, _ = await on_the_engine(engine, odd_agent, docker_image("busybox"))
    assert data == odd_agent.path.read_bytes()


async def test_a_container_sees_nothing_but_the_program(
    runtime: DockerRuntime, engine: Engine, wanted: Requests
):
    ref = await runtime.create(await wanted())
    shown = await engine.call("GET", f"containers/{ref.partition('/')[0]}/json", doing="look")
    mounts = {each["Destination"]: each["RW"] for each in shown["Mounts"]}
    assert mounts == {"/.devbench": False, "/workspace": True}
    assert json.dumps(shown["HostConfig"]["Binds"]) == "null"
