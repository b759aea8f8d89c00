"""Whose committed batches an agent carries forward at its start, and where."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_process import StartAgent, wait_until
from batch_wire import DELETE, MOVE
from root_lab import start_with_roots
from test_sweep import AS_ROOT

ANOTHER_USER = 4321
HEAD = struct.Struct("@5I4H4xq2Q2q2Q2q2I")
STAGING = ".devbench-tmp-batch-0123456789abcdef"


def record(kind: int, path: str, other: str = "") -> bytes:
    """An operation as the journal has it, on machines like this one."""
    texts = path.encode() + b"\0" + other.encode() + b"\0" + b"\0"
    size = HEAD.size + len(texts) + 4
    lengths = (len(path.encode()), len(other.encode()), 0, 0)
    head = HEAD.pack(size, 0, kind, 0, 0, *lengths, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return head + texts + struct.pack("@I", size)


def committed(root: Path, *records: bytes) -> Path:
    """Make what an agent leaves that was killed right after it had committed a batch."""
    staging = root / STAGING
    staging.mkdir(0o700)
    journal = staging / "committed"
    journal.write_bytes(b"".join(records))
    journal.chmod(0o600)
    return staging


@dataclass
class Places:
    workspace: Path
    second: Path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(tmp_path / "workspace", tmp_path / "second")
    for folder in (made.workspace, made.second):
        folder.mkdir()
        (folder / "victim").write_text("victim")
    return made


def start(start_agent: StartAgent, places: Places) -> None:
    agent = start_with_roots(start_agent, "kernel", places.second)
    with agent.host() as host:
        host.stat("")  # it waits until what was committed is carried out


def test_ones_own_is_carried_out(start_agent: StartAgent, places: Places):
    committed(places.second, record(DELETE, f"{places.second}/victim"))
    start(start_agent, places)
    assert not (places.second / "victim").exists()
    wait_until(lambda: not list(places.second.iterdir()), "nothing is left over")


def journal_of_another(staging: Path) -> None:
    staging.chmod(0o777)
    os.chown(staging / "committed", ANOTHER_USER, ANOTHER_USER)


def folder_of_another(staging: Path) -> None:
    os.chown(staging, ANOTHER_USER, ANOTHER_USER)


def folder_open_to_others(staging: Path) -> None:
    staging.chmod(0o770)


def second_name(staging: Path) -> None:
    os.link(staging / "committed", staging.parent / "name")


def link(staging: Path) -> None:
    (staging / "committed").rename(staging / "real")
    (staging / "committed").symlink_to("real")


@AS_ROOT
@pytest.mark.parametrize(
    "make", [journal_of_another, folder_of_another, folder_open_to_others, second_name, link]
)
@pytest.mark.parametrize("in_workspace", [True, False])
def test_what_another_could_have_written_is_not_carried_out(
    start_agent: StartAgent, places: Places, make: Callable[[Path], None], in_workspace: bool
):
    root, prefix = (places.workspace, "") if in_workspace else (places.second, f"{places.second}/")
    make(committed(root, record(DELETE, f"{prefix}victim")))
    start(start_agent, places)
    assert (root / "victim").read_text() == "victim"


def test_one_that_was_moved_into_another_root_does_nothing_in_its_own(
    start_agent: StartAgent, places: Places
):
    staging = committed(places.workspace, record(DELETE, "victim"))
    staging.rename(places.second / STAGING)
    staging = committed(places.workspace, record(DELETE, f"{places.second}/victim"))
    start(start_agent, places)
    for root in (places.workspace, places.second):
        assert (root / "victim").read_text() == "victim"
        wait_until(lambda root=root: os.listdir(root) == ["victim"], "what is left of it goes")  # noqa: PTH208


def test_a_move_into_another_root_is_not_carried_out_and_what_came_before_is_undone(
    start_agent: StartAgent, places: Places
):
    (places.workspace / "first").write_text("first")
    moved = record(MOVE, "victim", f"{places.second}/moved")
    committed(places.workspace, record(DELETE, "first"), moved)
    start(start_agent, places)
    wait_until(lambda: not list(places.workspace.glob(".dev*")), "what is left of it goes")
    assert sorted(path.name for path in places.workspace.iterdir()) == ["first", "victim"]
    assert sorted(path.name for path in places.second.iterdir()) == ["victim"]
