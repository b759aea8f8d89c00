"""Reaching agents through the engine: those that are silent, that failed, or whose first stream broke."""

import hashlib
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import AgentProgram, CreateRequest
from devbench_core.engines.names import agent_volume_name
from devbench_core.errors import AgentUnavailable, ContainerExited
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.opening import opened
from devbench_runtime_docker.runtime import DockerRuntime
from devbench_runtime_docker.settings import DockerSettings

Requests = Callable[..., Awaitable[CreateRequest]]
COMPILE_TIMEOUT_S = 60


@pytest.fixture
def settings(docker_host: str) -> DockerSettings:
    """As where this process may not enter containers."""
    return DockerSettings(host=docker_host, prepared_workspaces=2, direct=False)


@pytest.fixture
async def program(tmp_path: Path, engine: Engine):
    """Compile an agent of a few words; its volume is removed after the test."""
    made: list[AgentProgram] = []

    def compiled(body: str) -> AgentProgram:
        source, binary = tmp_path / "agent.c", tmp_path / "agent"
        source.write_text(f"#include <unistd.h>\nint main(void) {{ {body} }}\n", "ascii")
        subprocess.run(["gcc", "-static", "-Os", "-o", binary, source], check=True, timeout=COMPILE_TIMEOUT_S)
        made.append(AgentProgram(path=binary, digest=hashlib.sha256(binary.read_bytes()).hexdigest()))
        return made[-1]

    yield compiled
    for each in made:
        await engine.call("DELETE", f"volumes/{agent_volume_name(each.digest)}", doing="clean up")


Compile = Callable[[str], AgentProgram]


@pytest.mark.loop_may_stall("compiles")
async def test_an_agent_that_stays_silent_is_given_up_after_the_bound(
    settings: DockerSettings, context: OpenContext, wanted: Requests, program: Compile
):
    request = await wanted(agent=program("for (;;) pause();"))
    async with opened(settings.model_copy(update={"agent_timeout_s": 0.3}), context) as docker:
        ref = await docker.create(request)
        await docker.start(ref)
        with pytest.raises(AgentUnavailable):  # neither the first stream nor a bridge says anything
            await docker.connect(ref)
        await docker.remove(ref)


@pytest.mark.loop_may_stall("compiles")
async def test_what_a_failing_agent_said_is_in_the_error(
    runtime: DockerRuntime, wanted: Requests, program: Compile
):
    ref = await runtime.create(await wanted(agent=program('write(2, "no room\\n", 8); return 3;')))
    await runtime.start(ref)
    with pytest.raises(ContainerExited, match="it said: no room") as ended:
        await runtime.connect(ref)
    assert ended.value.details == {"exit_code": 3, "out_of_memory": False}
    await runtime.remove(ref)


async def test_a_first_stream_that_broke_is_replaced_by_a_bridge(runtime: DockerRuntime, wanted: Requests):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    kept = runtime._stash._kept[ref].stream  # pyright: ignore[reportPrivateUsage]
    kept.abort()
    stream = await runtime.connect(ref)
    assert stream is not kept
    assert b"DVBA" in await stream.read()
    await stream.close()
