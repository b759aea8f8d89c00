"""A full file system, in the middle of each change: nothing has changed and nothing is left."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_changes import APPEND, RECURSIVE, copy, move
from agent_process import StartAgent, wait_until
from agent_wire import FSYNC, Channel, FileError

NO_SPACE = 9
SIZE = 1024 * 1024
Small = tuple[Channel, Path]


@pytest.fixture
def small(tmp_path: Path, start_agent: StartAgent) -> Iterator[Small]:
    """A workspace of one MiB."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(workspace)], check=True)
    try:
        agent = start_agent()
        with agent.host() as host:
            yield host, workspace
        agent.process.kill()
        agent.process.wait()
    finally:
        subprocess.run(["umount", "-l", str(workspace)], check=True)


def contents(workspace: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(workspace)): path.read_bytes() for path in workspace.rglob("*") if path.is_file()
    }


def free(workspace: Path) -> int:
    status = os.statvfs(workspace)
    return status.f_bavail * status.f_bsize


@pytest.mark.parametrize("flags", [0, FSYNC, APPEND])
def test_a_write_without_space_changes_nothing(small: Small, flags: int):
    host, workspace = small
    (workspace / "f").write_bytes(b"old")
    before, room = contents(workspace), free(workspace)
    with pytest.raises(FileError) as error:
        host.write("f", b"x" * (2 * SIZE), flags)
    assert error.value.code == NO_SPACE
    assert (contents(workspace), free(workspace)) == (before, room)


def test_an_append_needs_space_for_the_whole_file_and_changes_nothing_without(small: Small):
    host, workspace = small
    (workspace / "f").write_bytes(b"x" * (SIZE * 6 // 10))
    before, room = contents(workspace), free(workspace)
    with pytest.raises(FileError) as error:
        host.write("f", b"more", APPEND)
    assert error.value.code == NO_SPACE
    assert (contents(workspace), free(workspace)) == (before, room)


def test_a_copy_without_space_changes_nothing(small: Small):
    host, workspace = small
    (workspace / "f").write_bytes(b"x" * (SIZE * 6 // 10))
    (workspace / "g").write_bytes(b"old")
    before, room = contents(workspace), free(workspace)
    for to in ("g", "new"):
        with pytest.raises(FileError) as error:
            copy(host, "f", to)
        assert error.value.code == NO_SPACE
    assert (contents(workspace), free(workspace)) == (before, room)


def test_a_copy_of_a_folder_without_space_leaves_nothing(small: Small):
    host, workspace = small
    (workspace / "d/sub").mkdir(parents=True)
    for i in range(12):
        (workspace / f"d/sub/{i}").write_bytes(b"x" * 50_000)
    before, room = contents(workspace), free(workspace)
    with pytest.raises(FileError) as error:
        copy(host, "d", "e", RECURSIVE)
    assert error.value.code == NO_SPACE
    wait_until(lambda: free(workspace) == room, "what was copied is taken away")
    assert contents(workspace) == before
    move(host, "d", "e")  # needs none
    assert set(contents(workspace)) == {f"e/sub/{i}" for i in range(12)}
