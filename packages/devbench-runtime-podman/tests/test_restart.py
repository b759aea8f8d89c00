"""A service that goes away under its containers: they live on, and whoever comes next reaches them."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import EngineUnreachable
from devbench_core.model.execution import ExecReason, ExecRequest
from engines import images, podman, signals
from engines.api import DockerApi
from engines.places import PRIVATE_PARENT, PRIVATE_PREFIX

WAIT_S = 30
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="starts a service of its own as root")


@pytest.fixture
def own_service(rootfs_tar: Callable[[str], Path]) -> Generator[podman.Podman]:
    """A Podman service that nobody else uses, with one image."""
    folder = Path(tempfile.mkdtemp(prefix=PRIVATE_PREFIX, dir=PRIVATE_PARENT))
    service = podman.start(folder, owner_pid=os.getpid())
    try:
        recipe = images.recipe("busybox")
        with rootfs_tar("busybox").open("rb") as tar:
            DockerApi(service.host).import_image(recipe.reference, tar, recipe.changes, "busybox")
        yield service
    finally:
        with signals.ignored():
            podman.stop(service)


@NEEDS_ROOT
@pytest.mark.parametrize("direct", [True, False])
async def test_commands_go_on_while_the_service_is_away_and_their_output_is_whole(
    own_service: podman.Podman, tmp_path: Path, direct: bool
):
    """Its streams break where they go through the service; the agent keeps what was written meanwhile."""
    config: dict[str, Any] = {
        "runtime": "podman",
        "store": "sql",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "plugin": {"podman": {"host": own_service.host, "direct": direct}},
        "images": {"default": f"docker.io/{images.image_reference('busybox')}", "pull_policy": "never"},
    }
    script = "i=0; while [ ! -e enough ]; do echo $i; i=$((i+1)); sleep 0.01; done; exit 7"
    async with devbench_core.open(config) as bench:
        lab = (await bench.containers.spawn(SpawnRequest(persistent=True))).container.id
        talking = await bench.execs.start(lab, ExecRequest(argv=("sh", "-c", script)))
        assert (await bench.execs.poll(talking.id, wait_s=WAIT_S)).chunks
        await asyncio.to_thread(podman.restart, own_service)
        await bench.files.write(lab, "enough", b"")
        ended = await bench.execs.wait(talking.id, wait_s=WAIT_S)
        assert ended.ending is not None
        assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 7)
        process = await bench.execs.process(talking.id)
        written = b"".join([chunk.data async for chunk in process.output()])
        numbers = [int(line) for line in written.split()]
        assert numbers == list(range(len(numbers)))
    async with devbench_core.open(config) as bench:  # the next host adopts it
        assert [each.id for each in (await bench.containers.list()).containers] == [lab]
        await bench.containers.kill(lab)


@NEEDS_ROOT
async def test_a_service_that_is_gone_is_unreachable_and_nothing_is_taken_for_gone(
    own_service: podman.Podman, tmp_path: Path
):
    from devbench_core.clock import SystemClock
    from devbench_core.contracts.provider import OpenContext
    from devbench_runtime_podman.opening import opened
    from devbench_runtime_podman.settings import PodmanSettings

    context = OpenContext(installation="i_gone", state_dir=tmp_path, cache_dir=tmp_path, clock=SystemClock())
    async with opened(PodmanSettings(host=own_service.host), context) as runtime:
        await asyncio.to_thread(podman.end_processes, own_service.folder, ("podman",))
        for call in (runtime.ping(), runtime.inspect("devbench-x/y"), runtime.remove("devbench-x/y")):
            with pytest.raises(EngineUnreachable, match="does not answer") as refused:
                await call
            assert own_service.host in refused.value.message
