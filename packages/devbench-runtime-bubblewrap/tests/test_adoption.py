"""A host dies, and the next one goes on."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.errors import ContainerNotFound
from devbench_core.model.container import Status
from devbench_core.testing.living import Live
from devbench_core.testing.seeing import until
from devbench_runtime_bubblewrap.opening import open_bubblewrap
from devbench_runtime_bubblewrap.processes import ProcessMark, read_mark, start_ticks
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from devbench_runtime_bubblewrap.status import bwrap_lives, read_report

HOST = Path(__file__).parent / "host.py"
NAME = "c_adopted"
START_TIMEOUT_S = 60


@pytest.fixture
def settings(folder: Path) -> BubblewrapSettings:
    """As the host's own."""
    return BubblewrapSettings(folder=folder)


class Hosts:
    """Starts hosts in processes of their own."""

    def __init__(self, folder: Path, context: OpenContext) -> None:
        self._arguments = [str(folder), str(context.state_dir), context.installation, NAME]

    @asynccontextmanager
    async def __call__(self, what: str) -> AsyncGenerator[asyncio.subprocess.Process]:
        words = [sys.executable, str(HOST), *self._arguments, what]
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.fixture
def hosts(folder: Path, context: OpenContext) -> Hosts:
    """Starts hosts."""
    return Hosts(folder, context)


async def killed(hosts: Hosts) -> None:
    """Let a host start a container and kill it the hard way."""
    async with hosts("wait") as host:
        assert host.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            assert await host.stdout.readline() == f"{NAME}\n".encode()
        host.kill()
        await host.wait()


def mark_of(runtime: BubblewrapRuntime) -> ProcessMark:
    mark = read_mark(runtime.folders.container(NAME).process)
    assert mark is not None
    return mark


async def test_the_next_host_finds_reaches_and_removes_it(
    hosts: Hosts, runtime: BubblewrapRuntime, live: Live, context: OpenContext
):
    await killed(hosts)
    [seen] = [each async for each in runtime.list(context.installation)]
    assert (seen.ref, seen.status, seen.labels["kind"]) == (NAME, Status.RUNNING, "adopted")
    assert seen.started_at is not None
    async with live.again(NAME) as container:
        assert (await container.run("/bin/echo", "still here")).text == "still here\n"
    mark = mark_of(runtime)
    await runtime.remove(NAME)
    assert not mark.alive
    assert [each async for each in runtime.list(context.installation)] == []


async def test_how_it_ended_is_known_although_no_host_lived(hosts: Hosts, runtime: BubblewrapRuntime):
    await killed(hosts)
    os.kill(mark_of(runtime).pid, signal.SIGKILL)
    seen = await until(lambda: runtime.inspect(NAME), lambda seen: seen.status is Status.EXITED)
    assert (seen.exit_code, seen.out_of_memory) == (128 + signal.SIGKILL, False)
    assert seen.started_at is not None
    assert seen.finished_at is not None
    assert seen.finished_at >= seen.started_at


async def test_the_next_host_stops_it_and_starts_it_again(hosts: Hosts, runtime: BubblewrapRuntime):
    await killed(hosts)
    before = mark_of(runtime)
    await runtime.stop(NAME, grace_s=10)
    seen = await runtime.inspect(NAME)
    assert (seen.status, seen.exit_code) == (Status.EXITED, 0)
    await runtime.start(NAME)
    assert (await runtime.inspect(NAME)).status is Status.RUNNING
    assert mark_of(runtime) != before


async def test_a_container_that_was_never_let_go_has_run_nothing_and_is_removed(
    hosts: Hosts, runtime: BubblewrapRuntime, context: OpenContext
):
    async with hosts("die-before-letting-go") as host:
        async with asyncio.timeout(START_TIMEOUT_S):
            assert await host.wait() == -signal.SIGKILL
    [seen] = [each async for each in runtime.list(context.installation)]
    folder = runtime.folders.container(NAME)
    waiting = read_report(folder.status).pid
    assert seen.status is Status.CREATING
    assert waiting is not None
    assert bwrap_lives(folder.status)
    assert list(folder.run.iterdir()) == []  # the agent would have made its socket
    await runtime.remove(NAME)
    assert start_ticks(waiting) is None
    assert [each async for each in runtime.list(context.installation)] == []


async def test_a_removal_that_died_in_the_middle_is_finished_at_the_next_opening(
    hosts: Hosts, runtime: BubblewrapRuntime, settings: BubblewrapSettings, context: OpenContext
):
    await killed(hosts)
    mark = mark_of(runtime)
    aside = runtime.folders.trash / f"{NAME}.0123456789ab"
    runtime.folders.container(NAME).path.rename(aside)  # the first step of a removal
    with pytest.raises(ContainerNotFound):
        await runtime.inspect(NAME)
    async with open_bubblewrap(settings, context):
        assert not mark.alive
        assert not aside.exists()


async def test_a_process_that_got_the_number_of_an_ended_one_is_left_alone(
    hosts: Hosts, runtime: BubblewrapRuntime
):
    await killed(hosts)
    await runtime.stop(NAME, grace_s=10)
    mark = mark_of(runtime)
    # The kernel gives out a number again only long after; here the container's short life may be within one tick.
    await until(
        lambda: time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK") > mark.start_ticks + 1
    )
    bystander = await asyncio.create_subprocess_exec("sleep", "300")
    try:
        forged = ProcessMark(
            pid=bystander.pid, start_ticks=mark.start_ticks, boot=mark.boot, started_at=mark.started_at
        )
        runtime.folders.container(NAME).process.write_bytes(forged.dump())
        assert (await runtime.inspect(NAME)).status is Status.EXITED
        await runtime.stop(NAME, grace_s=0)
        await runtime.remove(NAME)
        assert bystander.returncode is None
        os.kill(bystander.pid, 0)
    finally:
        bystander.kill()
        await bystander.wait()


async def test_a_process_of_another_boot_is_not_ours(hosts: Hosts, runtime: BubblewrapRuntime):
    await killed(hosts)
    mark = mark_of(runtime)
    assert mark.alive
    before_boot = ProcessMark(
        pid=mark.pid, start_ticks=mark.start_ticks, boot="another", started_at=mark.started_at
    )
    assert not before_boot.alive
