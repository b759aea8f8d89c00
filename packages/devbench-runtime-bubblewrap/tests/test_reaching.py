"""Connecting to the agent, and to nobody else."""

import os
import socket
from pathlib import Path

import pytest

from devbench_core.errors import AgentUnavailable, ContainerExited, ContainerNotFound
from devbench_core.testing.living import Live, Requests
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.settings import BubblewrapSettings

SUN_PATH_MAX = 107


@pytest.fixture
def settings(folder: Path) -> BubblewrapSettings:
    """A folder whose path is longer than a socket's address; little patience."""
    deep = folder / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    for each in (deep, deep.parent):
        each.chmod(0o711)
    return BubblewrapSettings(folder=deep, connect_timeout_s=0.3)


async def test_a_long_path_is_no_obstacle(runtime: BubblewrapRuntime, live: Live, wanted: Requests):
    async with live(await wanted()) as container:
        path = runtime.folders.container(container.ref).socket
        assert len(str(path)) > SUN_PATH_MAX
        assert (await container.run("/bin/echo", "reached")).text == "reached\n"


async def test_a_socket_of_somebody_else_gets_no_byte(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests, monkeypatch: pytest.MonkeyPatch
):
    async with live(await wanted()) as container:
        folder = runtime.folders.container(container.ref)
        folder.socket.unlink()
        monkeypatch.chdir(folder.run)
        with socket.socket(socket.AF_UNIX) as impostor:
            impostor.bind(folder.socket.name)
            impostor.listen()
            with pytest.raises(AgentUnavailable, match="another process"):
                await runtime.connect(container.ref)
            taken, _ = impostor.accept()
            with taken:
                assert taken.recv(1) == b""


async def test_a_link_in_place_of_the_socket_is_not_followed(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as outside:
        outside.bind("outside")
        outside.listen()
        outside.setblocking(False)
        async with live(await wanted()) as container:
            path = runtime.folders.container(container.ref).socket
            path.unlink()
            path.symlink_to(tmp_path / "outside")
            with pytest.raises(AgentUnavailable, match="cannot be reached"):
                await runtime.connect(container.ref)
        with pytest.raises(BlockingIOError):
            outside.accept()


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, os.mkfifo], ids=["folder", "file", "pipe"])
async def test_what_is_no_socket_is_not_reached(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests, make: object
):
    assert callable(make)
    async with live(await wanted()) as container:
        path = runtime.folders.container(container.ref).socket
        path.unlink()
        make(path)
        with pytest.raises(AgentUnavailable, match="cannot be reached"):
            await runtime.connect(container.ref)


async def test_what_does_not_run_is_told_apart_from_what_is_not_there(
    runtime: BubblewrapRuntime, wanted: Requests
):
    ref = await runtime.create(await wanted())
    with pytest.raises(ContainerExited):
        await runtime.connect(ref)
    await runtime.start(ref)
    await runtime.stop(ref, grace_s=5)
    with pytest.raises(ContainerExited) as caught:
        await runtime.connect(ref)
    assert caught.value.details == {"status": "exited", "exit_code": 0}
    for absent in ("c_absent", "../x", "a/b", ""):
        with pytest.raises(ContainerNotFound):
            await runtime.connect(absent)
        await runtime.remove(absent)
