"""The short way to an agent: taken where it is safe, and nowhere else."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path, PurePosixPath

import attrs
import pytest

from devbench_core.channel.unix import UnixStream
from devbench_core.contracts.runtime import SOCKET_PATH, CreateRequest
from devbench_core.contracts.stream import ByteStream
from devbench_core.engines import direct
from devbench_core.engines.attached import AttachedStream
from devbench_core.engines.direct import reach
from devbench_core.engines.names import split_ref
from devbench_core.errors import EngineUnreachable
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.runtime import DockerRuntime

Requests = Callable[..., Awaitable[CreateRequest]]
IS_ROOT = os.geteuid() == 0


@attrs.frozen
class Started:
    """A running container that nobody has connected to."""

    ref: str
    container: str
    pid: int

    @property
    def socket(self) -> Path:
        """The agent's socket, as this machine sees it."""
        return Path(f"/proc/{self.pid}/root{SOCKET_PATH}")


@pytest.fixture
async def started(runtime: DockerRuntime, engine: Engine, wanted: Requests) -> AsyncGenerator[Started]:
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    shown = await engine.call("GET", f"containers/{split_ref(ref)[0]}/json", doing="look")
    yield Started(ref, str(shown["Id"]), int(shown["State"]["Pid"]))
    await runtime.remove(ref)


async def speaks(stream: ByteStream) -> None:
    assert b"DVBA" in await stream.read()
    await stream.close()


async def test_root_reaches_the_socket_itself_again_and_again_and_others_go_through_the_engine(
    runtime: DockerRuntime, started: Started
):
    for _ in range(3):
        stream = await runtime.connect(started.ref)
        assert isinstance(stream, UnixStream if IS_ROOT else AttachedStream)
        await speaks(stream)


def make_link(path: Path, target: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.skipif(not IS_ROOT, reason="only root may look into a container")
async def test_a_link_in_the_sockets_place_is_not_followed(
    runtime: DockerRuntime, started: Started, tmp_path: Path
):
    with socket.socket(socket.AF_UNIX) as elsewhere:
        elsewhere.bind(str(tmp_path / "s"))
        elsewhere.listen()
        elsewhere.setblocking(False)
        make_link(started.socket, tmp_path / "s")
        assert await reach(started.container, started.pid) is None
        await speaks(await runtime.connect(started.ref))  # by the stream that came with the start
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


@pytest.mark.skipif(not IS_ROOT, reason="only root may look into a container")
async def test_a_link_in_place_of_the_sockets_folder_is_not_followed(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """An image may hold it; seen from outside, an absolute one leads to this machine's own files."""
    aside = tmp_path / SOCKET_PATH.name
    with socket.socket(socket.AF_UNIX) as elsewhere:
        elsewhere.bind(str(aside))
        elsewhere.listen()
        elsewhere.setblocking(False)
        make_link(Path(f"/proc/{started.pid}/root/workspace/link"), tmp_path)
        monkeypatch.setattr(direct, "SOCKET_PATH", PurePosixPath("/workspace/link") / SOCKET_PATH.name)
        assert await reach(started.container, started.pid) is None
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


async def test_an_engine_that_falls_silent_in_between_costs_only_the_short_way(
    runtime: DockerRuntime, started: Started, monkeypatch: pytest.MonkeyPatch
):
    async def silent(_ref: str) -> dict[str, object]:
        raise EngineUnreachable("nobody answers")

    monkeypatch.setattr(runtime._connector, "_show", silent)  # pyright: ignore[reportPrivateUsage]
    stream = await runtime.connect(started.ref)
    assert isinstance(stream, AttachedStream)
    await speaks(stream)


@pytest.mark.skipif(not IS_ROOT, reason="only root may look into a container")
async def test_another_process_that_listens_in_the_agents_place_gets_no_byte(started: Started):
    started.socket.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(started.socket))
        other.listen()
        assert await reach(started.container, started.pid) is None
        connection, _ = other.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(1) == b""


@pytest.mark.skipif(not IS_ROOT, reason="only root may look into a container")
async def test_a_number_that_means_another_process_here_is_not_believed(started: Started):
    assert await reach("f" * 64, started.pid) is None
    assert await reach(started.container, os.getpid()) is None
    assert await reach(started.container, 2**22 + 1) is None


ASK = """
import asyncio, sys
from devbench_core.engines.direct import Forbidden, reach
try:
    print(asyncio.run(reach(sys.argv[1], int(sys.argv[2]))))
except Forbidden:
    print("forbidden")
"""


def ask(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.loop_may_stall("waits for a process")
async def test_an_ordinary_user_is_told_that_it_may_not(
    started: Started, as_ordinary_user: Callable[[Sequence[str]], list[str]]
):
    words = [sys.executable, "-c", ASK, started.container, str(started.pid)]
    assert ask(as_ordinary_user(words)) == "forbidden\n"
