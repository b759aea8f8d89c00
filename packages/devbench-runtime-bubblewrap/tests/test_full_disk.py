"""A full disk beneath the containers: what cannot be done is refused by name, and nothing runs or stays of it."""

import asyncio
import os
import secrets
from collections.abc import Callable, Generator
from pathlib import Path

import attrs
import pytest

from devbench_core.errors import AgentUnavailable, EngineFailed
from devbench_core.model.container import Status
from devbench_core.testing.living import Requests
from devbench_runtime_bubblewrap.folders import ContainerFolder, write_whole
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.status import ROOM_BYTES
from harness.chaos.disks import FILLER, filled, small_disk

SIZE_BYTES = 16 << 20
END_S, LOOK_S = 10.0, 0.02


@pytest.fixture
def folder() -> Generator[Path]:
    """A folder on a small disk."""
    with small_disk(Path("/var/tmp") / f"devbench-full-{secrets.token_hex(4)}", SIZE_BYTES) as disk:
        yield disk


async def nothing_runs_of(container: ContainerFolder) -> None:
    """Wait until no process has a container's log for its standard error."""

    def left() -> list[Path]:
        return [each for each in Path("/proc").glob("[0-9]*/fd/2") if leads_to(each, container.log)]

    async with asyncio.timeout(END_S):
        while await asyncio.to_thread(left):
            await asyncio.sleep(LOOK_S)


def leads_to(link: Path, target: Path) -> bool:
    try:
        return link.readlink() == target
    except OSError:  # it ended meanwhile
        return False


async def test_a_container_that_finds_no_space_is_not_made_and_the_reason_is_told(
    runtime: BubblewrapRuntime, wanted: Requests
):
    request = await wanted()
    with filled(runtime.folders.base), pytest.raises(EngineFailed, match="No space") as refused:
        await runtime.create(request)
    assert refused.value.details == {"reason": "no_space"}
    assert list(runtime.folders.incoming.iterdir()) == []
    assert await runtime.create(request) == request.container_id


async def test_a_start_that_finds_no_space_leaves_no_process_and_succeeds_later(
    runtime: BubblewrapRuntime, wanted: Requests
):
    await runtime.start(
        await runtime.create(await wanted())
    )  # what all containers share is made with the first
    ref = await runtime.create(await wanted())
    with filled(runtime.folders.base):
        with pytest.raises(EngineFailed, match="No space") as refused:
            await runtime.start(ref)
        assert refused.value.details == {"reason": "no_space"}
    await nothing_runs_of(runtime.folders.container(ref))
    await runtime.start(ref)
    assert (await runtime.inspect(ref)).status is Status.RUNNING


async def test_a_first_start_that_finds_no_space_for_the_copy_of_etc_is_no_fault_of_the_callers(
    runtime: BubblewrapRuntime, wanted: Requests
):
    ref = await runtime.create(await wanted())
    filler = runtime.folders.base / FILLER
    with filled(runtime.folders.base):
        os.truncate(filler, filler.stat().st_size - ROOM_BYTES)
        with pytest.raises(EngineFailed, match="No space") as refused:
            await runtime.start(ref)
        assert refused.value.details == {"reason": "no_space"}
    await runtime.start(ref)
    assert (await runtime.inspect(ref)).status is Status.RUNNING


async def test_a_bwrap_that_dies_before_it_reports_leaves_no_child(
    runtime: BubblewrapRuntime, wanted: Requests, compiled: Callable[[str], Path], folder: Path
):
    program = folder / "unable"
    program.write_bytes(compiled("unable_to_report").read_bytes())
    program.chmod(0o755)
    launcher = runtime.launcher()
    builder = attrs.evolve(launcher.builder, program=attrs.evolve(runtime.program, path=program))
    unable = attrs.evolve(runtime, launcher=lambda: attrs.evolve(launcher, builder=builder))
    ref = await runtime.create(await wanted())
    with pytest.raises(AgentUnavailable, match="No space left"):
        await unable.start(ref)
    await nothing_runs_of(runtime.folders.container(ref))


def test_a_file_that_finds_no_space_leaves_the_last_one_alone(folder: Path):
    write_whole(folder / "file", b"last")
    with filled(folder), pytest.raises(OSError, match="No space"):
        write_whole(folder / "file", b"next")
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert (folder / "file").read_bytes() == b"last"
