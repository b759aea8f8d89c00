"""A folder that cannot be deleted wholly: what remains can be seen, and is there after the next start."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from agent_process import StartAgent, wait_until
from agent_wire import Channel, FileError
from root_lab import OPTIONS
from test_sweep import ALL_PASSES_S, AS_ROOT, HIDDEN, POWERLESS, begin_delete, fill, kill, mounted, rests

ANOTHER_USER = 4321
NOT_PERMITTED, IO_FAILED = 5, 14


def foreign(folder: Path) -> Path:
    """Make a folder of another user, with something in it."""
    folder.mkdir(parents=True)
    (folder / "kept").write_bytes(b"kept")
    os.chown(folder, ANOTHER_USER, ANOTHER_USER)
    return folder


def files_by_content(folder: Path) -> list[tuple[str, bytes]]:
    return sorted((str(path.relative_to(folder)), path.read_bytes()) for path in folder.rglob("kept*"))


def seen(host: Channel, path: str) -> set[str]:
    """What callers can list, of all that is beneath a folder."""
    found: set[str] = set()
    for name, stat in host.dir(path)[0].items():
        at = f"{path}/{name.decode()}"
        found |= {at} | (seen(host, at) if stat.type == 2 else set())
    return found


def on_disk(workspace: Path, folder: str) -> set[str]:
    return {str(path.relative_to(workspace)) for path in (workspace / folder).rglob("*")}


def code_of_delete(host: Channel, path: str) -> int:
    with pytest.raises(FileError) as error:
        host.delete(path, recursive=True)
    return error.value.code


@AS_ROOT
@pytest.mark.parametrize("way", list(OPTIONS))
@pytest.mark.parametrize("parent", ["a/b/c", "a/a/a", "a/b/c/d/e/f/g"])
def test_what_remains_of_a_folder_is_seen_and_outlives_the_next_start(
    start_agent: StartAgent, way: str, parent: str
):
    agent = start_agent(*OPTIONS[way], within=POWERLESS)
    workspace = agent.workspace
    foreign(workspace / "tree" / parent / "foreign")
    fill(workspace / "tree" / parent, 300)
    with agent.host() as host:
        assert code_of_delete(host, "tree") == NOT_PERMITTED
        assert seen(host, "tree") == on_disk(workspace, "tree")
    left = files_by_content(workspace)
    assert [data for _, data in left] == [b"kept"]
    assert left[0][0].startswith("tree/")
    assert HIDDEN not in left[0][0]
    kill(agent)
    before = on_disk(workspace, "tree")
    after = start_agent(*OPTIONS[way], within=POWERLESS, name="next")
    wait_until(rests(after, ALL_PASSES_S), "it has swept")
    assert on_disk(workspace, "tree") == before


@AS_ROOT
def test_what_lay_deeper_has_its_own_name_in_the_folder_or_one_that_begins_so(start_agent: StartAgent):
    agent = start_agent(within=POWERLESS)
    foreign(agent.workspace / "first/a/b/c/foreign")
    long_name = "ä" * 127
    foreign(agent.workspace / "second" / long_name / long_name / "foreign")
    with agent.host() as host:
        assert code_of_delete(host, "first") == NOT_PERMITTED
        assert code_of_delete(host, "second") == NOT_PERMITTED
    assert on_disk(agent.workspace, "first") == {"first/c", "first/c/foreign", "first/c/foreign/kept"}
    [(path, _)] = files_by_content(agent.workspace / "second")
    assert path.startswith("ä" * 100)
    assert path.endswith("/foreign/kept")


@AS_ROOT
def test_what_remains_gets_another_name_when_something_newer_has_its_own(start_agent: StartAgent):
    agent = start_agent(within=POWERLESS)
    tree = agent.workspace / "tree"
    foreign(tree / "a/b/c/foreign")
    for i in range(8000):
        (tree / f"a/b/{i}").touch()
    with agent.host() as host:
        request = begin_delete(host, "tree")
        until = time.monotonic() + 20
        while tree.exists():
            assert time.monotonic() < until
        tree.mkdir()
        with pytest.raises(FileError):
            host.reply(request)
        assert not list(tree.iterdir())
    [name] = {path.name for path in agent.workspace.iterdir()} - {"tree"}
    assert name.startswith("tree.left-")
    kill(agent)
    after = start_agent(within=POWERLESS, name="next")
    wait_until(rests(after, ALL_PASSES_S), "it has swept")
    assert (agent.workspace / name / "c/foreign/kept").read_bytes() == b"kept"


@AS_ROOT
def test_a_folder_with_a_mount_deep_in_it_keeps_that_in_sight(start_agent: StartAgent, tmp_path: Path):
    agent = start_agent()
    other, place = tmp_path / "other", agent.workspace / "tree/a/b/c/volume"
    place.mkdir(parents=True)
    other.mkdir()
    (other / "kept").write_bytes(b"kept")
    with mounted(other, place, agent.workspace):
        with agent.host() as host:
            assert code_of_delete(host, "tree") == IO_FAILED
            assert seen(host, "tree") == on_disk(agent.workspace, "tree")
        assert files_by_content(agent.workspace) == [("tree/c/volume/kept", b"kept")]
    assert (other / "kept").read_bytes() == b"kept"
