"""A container, or its engine, ends in the middle of commands: they have an ending with a reason, and their output."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.model.execution import Exec, ExecReason, ExecRequest
from engines import daemon, images, signals
from engines.api import DockerApi
from engines.places import PRIVATE_PARENT, PRIVATE_PREFIX
from harness.agent_host import eventually

Bench = devbench_core.Bench
WAIT_S = 60.0
ENDINGS = {ExecReason.CONTAINER_EXITED, ExecReason.LOST}


def first_process(word: str) -> int:
    """Return process 1 of the container in which a program with an argument runs, as this machine counts."""
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and word in (folder / "cmdline").read_text().split("\0"):
                return _first_of(folder)
        except OSError:
            continue
    raise AssertionError(f"nothing runs with {word}")


def _first_of(process: Path) -> int:
    """Climb to the oldest ancestor in the same process namespace."""
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    parent = Path("/proc") / status["PPid"].strip()
    if parent.name != "0" and (parent / "ns/pid").readlink() == (process / "ns/pid").readlink():
        return _first_of(parent)
    return int(process.name)


async def start_talking(bench: Bench, container: str, word: str) -> Exec:
    """Start a command that says something and stays."""
    script = "echo before; echo trouble >&2; sleep 1000; echo never"
    started = await bench.execs.start(container, ExecRequest(argv=("sh", "-c", script, word)))
    await until_all_was_said(bench, started)
    return started


async def until_all_was_said(bench: Bench, command: Exec) -> None:
    cursor, size = 0, 0
    while size < len(b"before\ntrouble\n"):
        page = await bench.execs.poll(command.id, after=cursor, wait_s=WAIT_S)
        assert page.ending is None
        cursor, size = page.cursor, size + sum(len(chunk.data) for chunk in page.chunks)


async def check(bench: Bench, command: Exec) -> None:
    """A command's ending says why, and what it had written can be read."""
    ended = await bench.execs.wait(command.id, wait_s=WAIT_S)
    assert ended.ending is not None
    assert ended.ending.reason in ENDINGS
    assert ended.ending.message
    page = await bench.execs.poll(command.id)
    assert sorted(b"".join(chunk.data for chunk in page.chunks).split()) == [b"before", b"trouble"]
    assert page.ending == ended.ending


async def test_commands_of_a_container_whose_first_process_was_killed_say_so_and_keep_their_output(
    bench: Bench, lab: str
):
    word = f"w{secrets.token_hex(6)}"
    talking = [await start_talking(bench, lab, word) for _ in range(3)]
    os.kill(first_process(word), signal.SIGKILL)
    for command in talking:
        await check(bench, command)
    await eventually(lambda: not bench.execs.running_here)


async def test_commands_whose_container_died_with_its_host_have_an_ending_at_the_next_host(
    config: dict[str, Any],
):
    word = f"w{secrets.token_hex(6)}"
    async with devbench_core.open(config) as bench:
        lab = (await bench.containers.spawn(SpawnRequest(persistent=True))).container.id
        command = await start_talking(bench, lab, word)
    os.kill(first_process(word), signal.SIGKILL)
    async with devbench_core.open(config) as bench:
        await check(bench, command)
        assert await bench.execs.list(lab, running=True) == ()


@pytest.fixture
def own_engine(rootfs_tar: Callable[[str], Path]) -> Generator[daemon.Engine]:
    """A Docker engine that nobody else uses, with one image."""
    folder = Path(tempfile.mkdtemp(prefix=PRIVATE_PREFIX, dir=PRIVATE_PARENT))
    engine = daemon.start(folder, owner_pid=os.getpid())
    try:
        recipe = images.recipe("busybox")
        with rootfs_tar("busybox").open("rb") as tar:
            DockerApi(engine.host).import_image(recipe.reference, tar, recipe.changes, "busybox")
        yield engine
    finally:
        with signals.ignored():
            daemon.stop(engine)


async def test_commands_whose_engine_was_restarted_say_so_and_keep_their_output(
    own_engine: daemon.Engine, tmp_path: Path
):
    config: dict[str, Any] = {
        "runtime": "docker",
        "store": "sql",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "plugin": {"docker": {"host": own_engine.host}},
        "images": {"default": images.image_reference("busybox"), "pull_policy": "never"},
    }
    async with devbench_core.open(config) as bench:
        lab = (await bench.containers.spawn(SpawnRequest(persistent=True))).container.id
        talking = [await start_talking(bench, lab, f"w{number}") for number in range(3)]
        await asyncio.to_thread(daemon.restart, own_engine)
        for command in talking:
            await check(bench, command)
        after = (await bench.containers.spawn(SpawnRequest())).container.id
        started = await bench.execs.start(after, ExecRequest(argv=("true",)))
        ended = await bench.execs.wait(started.id, wait_s=WAIT_S)
        assert ended.ending is not None
        assert ended.ending.reason is ExecReason.EXITED
