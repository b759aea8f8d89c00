"""A full file system, in the middle of each change: nothing has changed and nothing is left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_changes import APPEND, MAKE_PARENTS, RECURSIVE, copy, move
from agent_process import Agent, StartAgent, wait_until
from agent_wire import FSYNC, PARENTS, Channel, FileError

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


def test_what_does_not_fit_leaves_no_folders_that_were_made_for_it(small: Small):
    host, workspace = small
    (workspace / "there").mkdir()
    (workspace / "large").write_bytes(b"x" * (SIZE * 6 // 10))
    before, room = sorted(workspace.rglob("*")), free(workspace)
    for flags in (PARENTS, PARENTS | FSYNC, PARENTS | APPEND):
        with pytest.raises(FileError) as error:
            host.write("there/a/b/f", b"x" * SIZE, flags)
        assert error.value.code == NO_SPACE
    for path in ("large", "there/../large"):
        with pytest.raises(FileError) as error:
            copy(host, path, "there/c/d/f", MAKE_PARENTS)
        assert error.value.code == NO_SPACE
    assert (sorted(workspace.rglob("*")), free(workspace)) == (before, room)


# Of the kernel's own quotas few machines have any; what one says is played by a filter of system calls.
WITHOUT_QUOTA = """
import ctypes, os, platform, struct, sys
number = {"x86_64": 326, "aarch64": 285}[platform.machine()]
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | 122), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, program) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_used_up_quota_is_no_space_and_changes_nothing(tmp_path: Path, binary: Path):
    workspace, place = tmp_path / "workspace", tmp_path / "a.sock"
    workspace.mkdir()
    (workspace / "f").write_bytes(b"old")
    words = [
        sys.executable,
        "-c",
        WITHOUT_QUOTA,
        str(binary),
        "--socket",
        str(place),
        "--workspace",
        str(workspace),
    ]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as process:
        try:
            wait_until(place.exists, "the agent's socket")
            with Agent(process, process.pid, place, workspace).host() as host:
                for change in (lambda: copy(host, "f", "g"), lambda: host.write("f", b"new", APPEND)):
                    with pytest.raises(FileError) as error:
                        change()
                    assert error.value.code == NO_SPACE
            assert contents(workspace) == {"f": b"old"}
        finally:
            process.kill()
