"""The border: each error of the engine becomes one of ours, its cause kept. What an engine can be brought to say is
provoked for real; the table holds the rest."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import CreateRequest
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.failures import translate
from devbench_core.errors import (
    AgentUnavailable,
    Conflict,
    ContainerExited,
    ContainerNotFound,
    DevbenchError,
    EngineFailed,
    EngineUnreachable,
    ImageNotFound,
)
from devbench_runtime_docker.endpoint import Endpoint
from devbench_runtime_docker.failures import unreachable
from devbench_runtime_docker.opening import opened
from devbench_runtime_docker.runtime import DockerRuntime
from devbench_runtime_docker.settings import DockerSettings

Requests = Callable[..., Awaitable[CreateRequest]]
AGENT = 'OCI runtime create failed: exec: "/.devbench/devbench-agent": '

TABLE: list[tuple[int, str, dict[str, str], type[DevbenchError]]] = [
    (404, "No such container: x", {"ref": "x/w"}, ContainerNotFound),
    (404, "No such image: y", {"ref": "x", "image": "y"}, ImageNotFound),
    (404, "no such image", {"image": "y"}, ImageNotFound),
    (404, "page not found", {}, EngineFailed),
    (409, 'Conflict. The container name "/x" is already in use by container "1"', {"ref": "x"}, Conflict),
    (409, "Container 1 is not running", {"ref": "x"}, ContainerExited),
    (409, "something else", {"ref": "x"}, EngineFailed),
    (400, AGENT + "permission denied: unknown", {"ref": "x"}, AgentUnavailable),
    (400, AGENT + "exec format error", {"ref": "x"}, AgentUnavailable),
    (400, AGENT + "stat: no such file or directory", {"ref": "x"}, AgentUnavailable),
    (400, "OCI runtime create failed: mount: permission denied", {"ref": "x"}, EngineFailed),
    (500, "driver failed", {"ref": "x"}, EngineFailed),
    (503, "", {}, EngineFailed),
]


@pytest.mark.parametrize(("status", "message", "about", "kind"), TABLE)
def test_each_answer_has_its_error(
    status: int, message: str, about: dict[str, str], kind: type[DevbenchError]
):
    found = translate(EngineAnswer(status, message), "do it", **about)
    assert type(found) is kind
    for thing in about.values():
        name = thing.partition("/")[0]
        assert name in found.message or kind in {ImageNotFound, ContainerNotFound}


def test_a_message_of_any_length_is_cut():
    assert len(translate(EngineAnswer(500, "x" * 100_000), "do it").message) < 1000


def test_a_socket_that_may_not_be_used_says_so():
    found = unreachable(Endpoint(socket="/s", source="a test"), PermissionError(13, "Permission denied"))
    assert "group docker" in found.hint


@pytest.mark.parametrize("call", ["inspect", "start", "connect", "stats", "pause", "unpause"])
async def test_an_absent_container_is_not_found_with_the_answer_as_cause(runtime: DockerRuntime, call: str):
    with pytest.raises(ContainerNotFound, match="devbench-c_absent") as refused:
        await getattr(runtime, call)("devbench-c_absent/devbench-workspace-0")
    assert isinstance(refused.value.__cause__, EngineAnswer)


async def test_an_image_that_vanished_since_it_was_resolved_is_not_found(
    runtime: DockerRuntime, wanted: Requests
):
    request = await wanted()
    await runtime.create(request)  # so that workspaces are there
    gone = attrs.evolve(
        request, container_id="c_2", image=attrs.evolve(request.image, id=f"sha256:{'1' * 64}", name="gone:1")
    )
    with pytest.raises(ImageNotFound):
        await runtime.create(gone)


async def test_a_second_container_of_one_id_is_a_conflict(runtime: DockerRuntime, wanted: Requests):
    request = await wanted()
    await runtime.create(request)
    with pytest.raises(Conflict, match=request.container_id) as refused:
        await runtime.create(request)
    assert isinstance(refused.value.__cause__, EngineAnswer)


async def test_a_container_that_ended_is_exited(runtime: DockerRuntime, wanted: Requests):
    ref = await runtime.create(await wanted())
    with pytest.raises(ContainerExited):
        await runtime.connect(ref)
    await runtime.start(ref)
    await runtime.stop(ref, grace_s=5)
    with pytest.raises(ContainerExited):
        await runtime.connect(ref)


async def test_what_the_engine_refuses_to_make_is_engine_failed(runtime: DockerRuntime, wanted: Requests):
    request = await wanted()
    tiny = attrs.evolve(request, policy=attrs.evolve(request.policy, memory_bytes=1))
    with pytest.raises(EngineFailed, match="emory limit"):
        await runtime.create(tiny)


class Door:
    """A way to the test engine that can be shut."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._writers: list[asyncio.StreamWriter] = []
        self._is_shut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_shut:
            return writer.close()
        engine_reader, engine_writer = await asyncio.open_unix_connection(self._socket)
        self._writers += [writer, engine_writer]
        await asyncio.gather(copy(reader, engine_writer), copy(engine_reader, writer))
        return None

    def shut(self) -> None:
        self._is_shut = True
        for writer in self._writers:
            writer.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.mark.parametrize("call", ["ping", "images"])
async def test_an_engine_that_goes_away_is_unreachable(
    docker_host: str, context: OpenContext, tmp_path: Path, call: str
):
    door = Door(docker_host.removeprefix("unix://"))
    path = tmp_path / "door.sock"
    async with await asyncio.start_unix_server(door.serve, path):
        settings = DockerSettings(host=f"unix://{path}", ping_timeout_s=1, request_timeout_s=1)
        async with opened(settings, context) as docker:
            assert (await docker.ping()).version
            door.shut()
            with pytest.raises(EngineUnreachable, match=r"door\.sock") as refused:
                await getattr(docker, call)()
            assert refused.value.retry
