"""Starts that meet, fail or were left in the middle."""

import asyncio
import signal
import sys
from pathlib import Path

import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.errors import EngineFailed
from devbench_core.model.container import Status
from devbench_core.model.policy import Policy
from devbench_core.testing.living import Live, Requests
from devbench_runtime_bubblewrap.processes import start_ticks
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from devbench_runtime_bubblewrap.status import bwrap_lives, read_report
from harness.control_groups import limits_expected

HOST = Path(__file__).parent / "host.py"


@pytest.fixture
def settings(folder: Path) -> BubblewrapSettings:
    """Little patience with what was left half started."""
    return BubblewrapSettings(folder=folder, start_timeout_s=3)


async def test_many_starts_at_once_are_one(runtime: BubblewrapRuntime, wanted: Requests, live: Live):
    ref = await runtime.create(await wanted())
    await asyncio.gather(*(runtime.start(ref) for _ in range(6)))
    async with live.again(ref) as container:
        assert (await container.run("/bin/echo", "one")).text == "one\n"


async def test_what_a_dead_host_left_half_started_is_ended_and_starts_then(
    runtime: BubblewrapRuntime, context: OpenContext, folder: Path
):
    words = [str(folder), str(context.state_dir), context.installation, "c_half", "die-before-letting-go"]
    host = await asyncio.create_subprocess_exec(sys.executable, str(HOST), *words)
    assert await host.wait() == -signal.SIGKILL
    home = runtime.folders.container("c_half")
    waiting = read_report(home.status).pid
    assert waiting is not None
    with pytest.raises(EngineFailed, match="half started"):
        await runtime.start("c_half")
    assert start_ticks(waiting) is None
    await runtime.start("c_half")
    assert (await runtime.inspect("c_half")).status is Status.RUNNING


@pytest.mark.skipif(not limits_expected(), reason="this run has no groups of its own")
async def test_a_limit_that_the_kernel_refuses_starts_nothing(
    runtime: BubblewrapRuntime, wanted: Requests, policy: Policy
):
    ref = await runtime.create(await wanted(policy=attrs.evolve(policy, pids=2**70)))
    with pytest.raises(EngineFailed, match="limits"):
        await runtime.start(ref)
    home = runtime.folders.container(ref)
    assert list(home.run.iterdir()) == []
    await runtime.stop(ref, grace_s=0)
    assert not bwrap_lives(home.status)
    assert (await runtime.inspect(ref)).status is Status.CREATING


async def test_a_cancelled_start_leaves_what_can_be_removed(runtime: BubblewrapRuntime, wanted: Requests):
    ref = await runtime.create(await wanted())
    for _ in range(3):
        task = asyncio.create_task(runtime.start(ref))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    status = runtime.folders.container(ref).status
    pid = read_report(status).pid
    await runtime.remove(ref)
    assert pid is None or start_ticks(pid) is None
    assert list(runtime.folders.containers.iterdir()) == []
