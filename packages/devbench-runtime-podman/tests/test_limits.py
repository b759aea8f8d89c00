"""How many files and processes containers get: what the service may give, and no more is asked."""

import asyncio
import os
import resource
import socket
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import CreateRequest
from devbench_core.engines.names import split_ref
from devbench_core.errors import EngineFailed
from devbench_runtime_podman.calls import PodmanCalls
from devbench_runtime_podman.limits import CAP_SYS_RESOURCE, limits_for, service_limits
from devbench_runtime_podman.opening import opened
from devbench_runtime_podman.settings import PodmanSettings

Requests = Callable[..., Awaitable[CreateRequest]]


@pytest.fixture
def listening(tmp_path: Path) -> Generator[str]:
    """A socket at which this process listens."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        yield path


def limits_of(pid: int) -> str:
    return Path(f"/proc/{pid}/limits").read_text("utf-8")


def may_exceed() -> bool:
    status = Path("/proc/self/status").read_text("utf-8")
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> CAP_SYS_RESOURCE & 1)


def test_a_service_without_the_right_to_give_more_gives_what_it_has(listening: str):
    hard = {
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "nproc": resource.getrlimit(resource.RLIMIT_NPROC)[1],
    }
    known = {name: most for name, most in hard.items() if most != resource.RLIM_INFINITY}
    own = Path("/proc/self/comm").read_text("utf-8").strip()
    assert service_limits(listening, own) == ({} if may_exceed() else known)
    assert service_limits(listening) == {}  # it is not Podman


def test_what_is_configured_is_asked_for(listening: str):
    settings = PodmanSettings(open_files=100, user_processes=200)
    assert limits_for(settings, listening) == {"nofile": 100, "nproc": 200}
    assert limits_for(PodmanSettings(open_files=100), listening)["nofile"] == 100


def test_a_service_that_cannot_be_seen_is_left_to_podmans_own_limits(tmp_path: Path):
    assert service_limits(str(tmp_path / "nobody")) == {}


async def test_containers_start_with_the_limits_that_are_asked_for(
    settings: PodmanSettings, context: OpenContext, calls: PodmanCalls, wanted: Requests
):
    few = settings.model_copy(update={"open_files": 321})
    async with opened(few, context) as podman:
        ref = await podman.create(await wanted())
        await podman.start(ref)
        pid = (await calls.show(split_ref(ref)[0]))["State"]["Pid"]
        if os.geteuid() == 0:
            assert "Max open files            321" in (await asyncio.to_thread(limits_of, pid))
        await podman.remove(ref)


@pytest.mark.skipif(may_exceed(), reason="the service may give whatever is asked for")
async def test_limits_that_the_service_may_not_give_are_told_with_the_settings_that_mend_it(
    settings: PodmanSettings, context: OpenContext, wanted: Requests
):
    many = settings.model_copy(update={"open_files": 1_048_576})
    async with opened(many, context) as podman:
        ref = await podman.create(await wanted())
        with pytest.raises(EngineFailed, match="rlimit") as refused:
            await podman.start(ref)
        assert "plugin.podman.open_files" in refused.value.hint
        await podman.remove(ref)
