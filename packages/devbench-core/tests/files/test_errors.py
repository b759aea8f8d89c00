"""Each reason why a file operation may fail, provoked on a real agent."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devbench_core.errors import (
    DevbenchError,
    FileConflict,
    FileFailed,
    FileMissing,
    PathOutside,
    TooLarge,
    ValidationFailed,
)
from devbench_core.files import Files
from devbench_core.files.settings import FileLimits
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import open_host, running_agent
from harness.file_bench import WAYS

Call = Callable[[Files], Awaitable[Any]]
SETTLED = "0" * 32


def plant(workspace: Path) -> None:
    """Make what the cases need."""
    (workspace / "folder" / "in").mkdir(parents=True)
    (workspace / "file").write_bytes(b"x")
    (workspace / "loop").symlink_to("loop")
    (workspace / "out").symlink_to("../outside")
    os.mkfifo(workspace / "pipe")


CASES: dict[str, tuple[Call, type[DevbenchError], str]] = {
    "read nothing": (lambda f: f.read(C, "no"), FileMissing, ""),
    "stat nothing": (lambda f: f.stat(C, "no"), FileMissing, ""),
    "list nothing": (lambda f: f.list(C, "no"), FileMissing, ""),
    "delete nothing": (lambda f: f.delete(C, "no"), FileMissing, ""),
    "write into nothing": (lambda f: f.write(C, "no/x", b""), FileMissing, ""),
    "mkdir in nothing": (lambda f: f.mkdir(C, "no/x"), FileMissing, ""),
    "delete nothing if it matches": (lambda f: f.delete(C, "no", if_match=SETTLED), FileMissing, ""),
    "read a folder": (lambda f: f.read(C, "folder"), FileFailed, "is_directory"),
    "write a folder": (lambda f: f.write(C, "folder", b""), FileFailed, "is_directory"),
    "write a folder if it matches": (lambda f: f.write(C, "folder", b"", if_match=SETTLED), FileFailed, "is_directory"),
    "read through a file": (lambda f: f.read(C, "file/x"), FileFailed, "not_directory"),
    "stat through a file": (lambda f: f.stat(C, "file/x"), FileFailed, "not_directory"),
    "list a file": (lambda f: f.list(C, "file"), FileFailed, "not_directory"),
    "write through a file": (lambda f: f.write(C, "file/x", b""), FileFailed, "not_directory"),
    "write beneath a file": (lambda f: f.write(C, "file/x/y", b"", parents=True), FileFailed, "not_directory"),
    "delete through a file": (lambda f: f.delete(C, "file/x"), FileFailed, "not_directory"),
    "mkdir through a file": (lambda f: f.mkdir(C, "file/x", parents=True), FileFailed, "not_directory"),
    "mkdir where a folder is": (lambda f: f.mkdir(C, "folder"), FileFailed, "exists"),
    "mkdir where a file is": (lambda f: f.mkdir(C, "file", parents=True), FileFailed, "exists"),
    "mkdir where a link is": (lambda f: f.mkdir(C, "loop"), FileFailed, "exists"),
    "write a new one where one is": (lambda f: f.write(C, "file", b"", if_none_match=True), FileConflict, ""),
    "write if it matches": (lambda f: f.write(C, "file", b"", if_match=SETTLED), FileConflict, ""),
    "write if it matches what is not there": (lambda f: f.write(C, "no", b"", if_match=SETTLED), FileConflict, ""),
    "delete if it matches": (lambda f: f.delete(C, "file", if_match=SETTLED), FileConflict, ""),
    "delete a full folder": (lambda f: f.delete(C, "folder"), FileFailed, "not_empty"),
    "delete the workspace": (lambda f: f.delete(C, ".", recursive=True), FileFailed, "invalid"),
    "delete a folder if it matches": (lambda f: f.delete(C, "folder", if_match=SETTLED), FileFailed, "invalid"),
    "read a pipe": (lambda f: f.read(C, "pipe"), FileFailed, "invalid"),
    "write a pipe": (lambda f: f.write(C, "pipe", b""), FileFailed, "invalid"),
    "read a loop": (lambda f: f.read(C, "loop"), FileFailed, "loop"),
    "list a loop": (lambda f: f.list(C, "loop"), FileFailed, "loop"),
    "write a loop": (lambda f: f.write(C, "loop", b"", parents=True), FileFailed, "loop"),
    "write through a loop": (lambda f: f.write(C, "loop/x", b"", parents=True), FileFailed, "loop"),
    "mkdir through a loop": (lambda f: f.mkdir(C, "loop/x", parents=True), FileFailed, "loop"),
    "read out by a link": (lambda f: f.read(C, "out/x"), PathOutside, ""),
    "write out by a link": (lambda f: f.write(C, "out/x", b"", parents=True), PathOutside, ""),
    "mkdir out by a link": (lambda f: f.mkdir(C, "out/x/y", parents=True), PathOutside, ""),
    "delete out by a link": (lambda f: f.delete(C, "out/x"), PathOutside, ""),
    "read out by text": (lambda f: f.read(C, "../x"), PathOutside, ""),
    "write more than is allowed": (lambda f: f.write(C, "file", bytes(1001)), TooLarge, ""),
    "read more than is allowed": (lambda f: f.read(C, "file", max_bytes=1001), ValidationFailed, ""),
    "a wrong cursor": (lambda f: f.list(C, after="a/b"), ValidationFailed, ""),
    "a cursor that is no name": (lambda f: f.list(C, after="\ud800"), ValidationFailed, ""),
    "a cursor that is too long": (lambda f: f.list(C, after="n" * 256), ValidationFailed, ""),
    "a wrong etag": (lambda f: f.write(C, "file", b"", if_match="\n"), ValidationFailed, ""),
    "a path that is none": (lambda f: f.read(C, "a\0b"), ValidationFailed, ""),
}  # fmt: skip


@pytest.mark.parametrize("way", list(WAYS))
async def test_each_failure_has_its_own_error_and_changes_nothing(tmp_path: Path, way: str):
    limits = FileLimits(write_max_bytes=1000, read_max_bytes=1000)
    with running_agent(tmp_path, *WAYS[way]) as agent:
        plant(agent.workspace)
        names = sorted(path.name for path in agent.workspace.rglob("*"))
        async with open_host(agent.connect, agent.token, file_limits=limits) as host:
            for name, (call, error, reason) in CASES.items():
                with pytest.raises(error) as caught:
                    await call(host.files)
                assert type(caught.value) is error, name
                assert caught.value.details.get("reason", "") == reason, name
                assert caught.value.message, name
                assert sorted(path.name for path in agent.workspace.rglob("*")) == names, name
        assert (agent.workspace / "file").read_bytes() == b"x"


async def test_a_conflict_tells_both_etags(tmp_path: Path):
    with running_agent(tmp_path) as agent:
        async with open_host(agent.connect, agent.token) as host:
            old = (await host.files.write(C, "f", b"1")).info.etag
            new = (await host.files.write(C, "f", b"2")).info.etag
            for call in (
                host.files.write(C, "f", b"3", if_match=old),
                host.files.delete(C, "f", if_match=old),
            ):
                with pytest.raises(FileConflict) as caught:
                    await call
                assert caught.value.details == {"path": "/workspace/f", "etag": new, "if_match": old}
            with pytest.raises(FileConflict) as caught:
                await host.files.write(C, "f", b"3", if_none_match=True)
            assert caught.value.details["path"] == "/workspace/f"
            await host.files.delete(C, "f")
            with pytest.raises(FileConflict) as caught:
                await host.files.write(C, "f", b"3", if_match=new, parents=True)
            assert caught.value.details == {"path": "/workspace/f", "etag": "", "if_match": new}


async def test_a_condition_that_fails_makes_no_folders(tmp_path: Path):
    with running_agent(tmp_path) as agent:
        async with open_host(agent.connect, agent.token) as host:
            with pytest.raises(FileConflict):
                await host.files.write(C, "a/b/f", b"", if_match=SETTLED, parents=True)
        assert list(agent.workspace.iterdir()) == []


@asynccontextmanager
async def mounted(folder: Path, mount: str) -> AsyncGenerator[tuple[Files, Path]]:
    """Files of an agent in a mount namespace of its own, where a command mounted the workspace."""
    prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    with running_agent(folder, prefix=prefix) as agent:
        async with open_host(agent.connect, agent.token) as host:
            yield host.files, Path(f"/proc/{agent.process.pid}/root{agent.workspace}")


async def test_a_full_disk_is_said_and_leaves_the_old_content_and_nothing_else(tmp_path: Path):
    mount = f"mount -t tmpfs -o size=256k,nr_inodes=40 tmpfs {tmp_path}/workspace"
    async with mounted(tmp_path, mount) as (files, inside):
        await files.write(C, "f", b"old")
        for path in ("f", "new", "made/new"):
            with pytest.raises(FileFailed) as caught:
                await files.write(C, path, bytes(1 << 20), parents=True)
            assert caught.value.details["reason"] == "no_space"
        assert (await files.read(C, "f")).data == b"old"
        assert not [path for path in inside.rglob("*") if path.name.startswith(".devbench-tmp-")]
        with pytest.raises(FileFailed) as caught:
            await many_folders(files)
        assert caught.value.details["reason"] == "no_space"
        await files.delete(C, "d0")
        await files.write(C, "f", b"new")


async def many_folders(files: Files) -> None:
    """Make more folders than the disk has room for."""
    for i in range(50):
        await files.mkdir(C, f"d{i}")


async def test_a_read_only_workspace_is_said_by_every_change_and_can_be_read(tmp_path: Path):
    folder = tmp_path / "workspace"
    fill = f"echo x > {folder}/f && mkdir {folder}/d"
    mount = f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && cd {folder}"
    async with mounted(tmp_path, f"{fill} && {mount}") as (files, _):
        etag = (await files.read(C, "f")).info.etag
        assert [entry.path.name for entry in (await files.list(C)).entries] == ["d", "f"]
        for call in (
            files.write(C, "f", b""),
            files.write(C, "f", b"", if_match=etag),
            files.write(C, "new", b""),
            files.write(C, "a/b/new", b"", parents=True),
            files.mkdir(C, "new"),
            files.mkdir(C, "a/b", parents=True),
            files.delete(C, "f"),
            files.delete(C, "f", if_match=etag),
            files.delete(C, "d"),
            files.delete(C, "d", recursive=True),
        ):
            with pytest.raises(FileFailed) as caught:
                await call
            assert caught.value.details["reason"] == "read_only"
        assert (await files.mkdir(C, "d", parents=True)).path.name == "d"


async def test_a_file_beyond_what_the_container_may_have_is_too_large(tmp_path: Path):
    with running_agent(tmp_path, prefix=["prlimit", "--fsize=65536"]) as agent:
        async with open_host(agent.connect, agent.token) as host:
            await host.files.write(C, "f", b"old")
            with pytest.raises(TooLarge) as caught:
                await host.files.write(C, "f", bytes(200_000))
            assert caught.value.details == {"path": "/workspace/f"}
            assert (await host.files.read(C, "f")).data == b"old"
            assert [entry.path.name for entry in (await host.files.list(C)).entries] == ["f"]
        assert [path.name for path in agent.workspace.iterdir()] == ["f"]


async def test_more_descriptors_than_the_agent_may_have_is_a_limit_and_passes(tmp_path: Path):
    with running_agent(tmp_path) as agent:
        (agent.workspace / "f").write_bytes(b"x")
        async with open_host(agent.connect, agent.token) as host:
            await host.files.read(C, "f")
            used = len(os.listdir(f"/proc/{agent.process.pid}/fd"))  # noqa: PTH208 - a folder of the kernel
            limit = ["prlimit", f"--pid={agent.process.pid}"]
            await asyncio.to_thread(subprocess.run, [*limit, f"--nofile={used}:4096"], check=True)
            with pytest.raises(FileFailed) as caught:
                await host.files.read(C, "f")
            assert caught.value.details["reason"] == "limit"
            await asyncio.to_thread(subprocess.run, [*limit, "--nofile=4096:4096"], check=True)
            assert (await host.files.read(C, "f")).data == b"x"
