"""Deleting what hostile code made."""

import os
from pathlib import Path

import pytest

from devbench_core.testing.living import Live, Requests
from devbench_runtime_bubblewrap.deletion import discard, empty
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime

DEEP = 3000  # path of 6000 bytes: longer than any call takes, deeper than Python recurses


@pytest.fixture
def trash(tmp_path: Path) -> Path:
    """An empty trash."""
    made = tmp_path / "trash"
    made.mkdir()
    return made


def dig(folder: Path, depth: int) -> None:
    """Make folders in folders, with files in them."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=here))
    os.close(here)


def test_depth_does_not_matter(tmp_path: Path, trash: Path):
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    dig(doomed, DEEP)
    assert discard(doomed, trash)
    assert list(trash.iterdir()) == []
    assert not discard(doomed, trash)


def test_folders_without_any_right_are_deleted(tmp_path: Path, trash: Path):
    doomed = tmp_path / "doomed"
    (doomed / "a" / "b").mkdir(parents=True)
    (doomed / "a" / "b" / "f").touch()
    (doomed / "a" / "b").chmod(0)
    (doomed / "a").chmod(0)
    assert discard(doomed, trash)
    assert list(trash.iterdir()) == []


def test_links_are_deleted_and_not_followed(tmp_path: Path, trash: Path):
    kept = tmp_path / "kept"
    (kept / "sub").mkdir(parents=True)
    (kept / "file").touch()
    doomed = tmp_path / "doomed"
    doomed.mkdir()
    (doomed / "to-folder").symlink_to(kept)
    (doomed / "to-file").symlink_to(kept / "file")
    (doomed / "loop").symlink_to("loop")
    os.mkfifo(doomed / "pipe")
    assert discard(doomed, trash)
    assert sorted(path.name for path in kept.iterdir()) == ["file", "sub"]


def test_only_what_is_meant_is_deleted(trash: Path):
    (trash / "mine.1" / "x").mkdir(parents=True)
    (trash / "other").mkdir()
    empty(trash, only="mine.1")
    assert [path.name for path in trash.iterdir()] == ["other"]


async def test_removing_a_container_whose_workspace_resists(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests
):
    script = (
        "cd /workspace; i=0; while [ $i -lt 300 ]; do mkdir d && cd d; i=$((i+1)); done; touch f; "
        "cd /workspace; mkdir locked; touch locked/f; chmod 0 locked; ln -s / root; mkfifo pipe; chmod 0 d"
    )
    async with live(await wanted()) as container:
        assert (await container.run("/bin/sh", "-c", script)).code == 0
    await runtime.remove(container.ref)
    assert list(runtime.folders.containers.iterdir()) == []
    assert list(runtime.folders.trash.iterdir()) == []
