"""After a kill at any moment the next agent on the same workspace leaves no debris, and harms nothing else."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent_changes import APPEND, begin_copy
from agent_process import Agent, StartAgent, wait_until
from agent_wire import DATA, DELETE, FSYNC, PARENTS, WRITE_END, Channel, text

HIDDEN = ".devbench-tmp-"
LEFT = f"{HIDDEN}0123456789abcdef"
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount, and make files immutable")
RESTS_S = 0.4
ALL_PASSES_S = 2.5  # longer than it waits before it looks again
# Of root nothing is kept: what mode bits forbid is forbidden to the agent too.
POWERLESS = ("setpriv", "--inh-caps=-all", "--bounding-set=-all") if os.geteuid() == 0 else ()


def hidden(workspace: Path) -> list[str]:
    found = [name for _, folders, files in os.walk(workspace) for name in (*folders, *files)]
    return [name for name in found if name.startswith(HIDDEN)]


def fill(folder: Path, count: int = 700) -> None:
    for i in range(count):
        path = folder / f"{i % 30}/{i % 7}/{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def begin_delete(host: Channel, path: str) -> int:
    request = host.request()
    host.send(DELETE, request, text(path) + struct.pack(">I", 1) + text(""))
    return request


def kill(agent: Agent) -> None:
    agent.process.kill()
    agent.process.wait()


def deep(folder: Path, levels: int) -> None:
    """Make folders within folders, deeper than any path may be long."""
    folder.mkdir(exist_ok=True)
    at = os.open(folder, os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def files_in(folder: Path) -> list[str]:
    return [name for _, _, files in os.walk(folder) for name in files]


def rests(agent: Agent, for_s: float = RESTS_S) -> Callable[[], bool]:
    """A condition: it has used no processor for a while."""
    since, ticks = time.monotonic(), cpu_ticks(agent.pid)

    def check() -> bool:
        nonlocal since, ticks
        now = cpu_ticks(agent.pid)
        if now != ticks:
            since, ticks = time.monotonic(), now
        return time.monotonic() - since > for_s

    return check


# -- each operation, killed --


def write(host: Channel, flags: int) -> None:
    request = host.write_begin("new", flags=flags)
    for _ in range(40):
        host.send(DATA, request, b"y" * 60_000)
    host.send(WRITE_END, request)


OPERATIONS: dict[str, Callable[[Channel], object]] = {
    "delete": lambda host: begin_delete(host, "tree"),
    "copy": lambda host: begin_copy(host, "tree", "new"),
    "copy of a file": lambda host: begin_copy(host, "large", "new"),
    "write": lambda host: write(host, 0),
    "write to disk": lambda host: write(host, FSYNC),
    "append": lambda host: write(host, APPEND),
}


@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_an_agent_killed_at_any_moment_leaves_nothing_to_the_next(start_agent: StartAgent, operation: str):
    rng = random.Random(operation)  # noqa: S311 - moments, no secrets
    agent = start_agent()
    workspace = agent.workspace
    fill(workspace / "kept", 60)
    (workspace / "large").write_bytes(b"z" * 3_000_000)
    kept = names(workspace / "kept")
    for round_ in range(6):
        fill(workspace / "tree")
        whole = names(workspace / "tree")
        with agent.host() as host:
            OPERATIONS[operation](host)
            time.sleep(rng.random() * 0.03)  # some moment, not a wait for one
            kill(agent)
        agent = start_agent(name=f"next-{round_}")
        wait_until(lambda: not hidden(workspace), "nothing is left over")
        assert names(workspace / "kept") == kept
        assert not (workspace / "tree").exists() or names(workspace / "tree") == whole
        assert (workspace / "large").stat().st_size == 3_000_000
        new = workspace / "new"
        assert not new.is_dir() or names(new) == whole
        assert not new.is_file() or new.stat().st_size in {2_400_000, 3_000_000}
        if new.is_dir():
            shutil.rmtree(new)
        new.unlink(missing_ok=True)


def test_what_is_written_into_new_folders_makes_them_when_it_is_complete(start_agent: StartAgent):
    agent = start_agent()
    (agent.workspace / "d").mkdir()
    with agent.host() as host:
        host.send(DATA, host.write_begin("d/e/f/g", flags=PARENTS), b"half")
        wait_until(lambda: hidden(agent.workspace), "it is being written")
        kill(agent)
    assert not (agent.workspace / "d/e").exists()
    with start_agent(name="second").host() as host:
        host.write("d/e/f/g", b"whole", PARENTS)
    wait_until(lambda: names(agent.workspace) == {"d", "d/e", "d/e/f", "d/e/f/g"}, "nothing else is there")


def test_a_delete_whose_host_goes_is_finished(agent: Agent):
    fill(agent.workspace / "tree", 2000)
    with agent.host() as host:
        begin_delete(host, "tree")
        wait_until(lambda: not (agent.workspace / "tree").exists(), "it has begun")
    wait_until(lambda: not list(agent.workspace.iterdir()), "nothing is left")


# -- whatever is in it --


def left_folder(workspace: Path) -> Path:
    workspace.mkdir(exist_ok=True)
    folder = workspace / LEFT
    folder.mkdir()
    return folder


def test_folders_without_any_permission_are_taken_apart(start_agent: StartAgent, tmp_path: Path):
    folder = left_folder(tmp_path / "workspace")
    for mode in (0, 0o100, 0o300, 0o400, 0o500):
        inner = folder / f"{mode}/a/b/c"
        inner.mkdir(parents=True)
        (inner / "f").touch(0)
        for path in (inner, inner.parent, inner.parent.parent, folder / f"{mode}"):
            path.chmod(mode)
    folder.chmod(0)
    start_agent(within=POWERLESS)
    wait_until(lambda: not folder.exists(), "it is taken apart")


def test_a_tree_of_any_depth_is_taken_apart(start_agent: StartAgent, tmp_path: Path):
    folder = left_folder(tmp_path / "workspace")
    deep(folder, 2000)
    for i in range(5):
        deep(folder / f"{i}", 100)
    start_agent()
    wait_until(lambda: not folder.exists(), "it is taken apart")


def test_what_lies_deep_in_the_workspace_is_found(start_agent: StartAgent, tmp_path: Path):
    workspace = tmp_path / "workspace"
    folders = [workspace.joinpath(*["d"] * n) for n in (0, 15, 16, 17, 40, 400)]
    for folder in folders:
        (folder / "e" / LEFT / "x").mkdir(parents=True)
        (folder / "e" / f"{HIDDEN}file").touch()
        (folder / "z").mkdir()
        (folder / "z" / f"{HIDDEN}file").touch()
    agent = start_agent()
    wait_until(lambda: not hidden(workspace), "nothing is left over")
    assert all((folder / "z").is_dir() for folder in folders)
    with agent.host() as host:
        assert host.stat("d/d").type == 2


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[Path]:
    """A file that nobody can remove, within a folder that was being deleted."""
    folder = left_folder(tmp_path / "workspace")
    file = folder / "a/b/stays"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    if subprocess.run(["chattr", "+i", str(file)], check=False, capture_output=True).returncode != 0:
        pytest.skip("this file system has no immutable files")
    try:
        yield file
    finally:
        for path in folder.rglob("*"):
            subprocess.run(["chattr", "-i", str(path)], check=False, capture_output=True)


@AS_ROOT
def test_what_cannot_be_removed_is_given_up_and_the_rest_goes(
    immutable: Path, start_agent: StartAgent, tmp_path: Path
):
    workspace = tmp_path / "workspace"
    folder = workspace / LEFT
    fill(folder, 500)
    fill(workspace / f"{HIDDEN}fedcba9876543210", 500)
    agent = start_agent()
    wait_until(lambda: files_in(workspace) == [immutable.name], "all else goes")
    wait_until(rests(agent, ALL_PASSES_S), "it gives up")
    assert [path.name for path in workspace.iterdir()] == [LEFT]
    with agent.host() as host:
        host.write("f", b"x")


def mounts_in(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]


@contextmanager
def mounted(what: Path, place: Path, workspace: Path) -> Generator[None]:
    """A mount; it moves with the folder that it is in."""
    subprocess.run(["mount", "--bind", str(what), str(place)], check=True)
    try:
        yield
    finally:
        for found in mounts_in(workspace):
            subprocess.run(["umount", "-l", found], check=True)


@AS_ROOT
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_a_mount_point_is_not_crossed(start_agent: StartAgent, tmp_path: Path, depth: int):
    folder = left_folder(tmp_path / "workspace")
    place = folder.joinpath(*"abc"[:depth], *(["vol"] if depth else []))
    place.mkdir(parents=True, exist_ok=True)
    (folder / "beside").touch()
    other = tmp_path / "other"
    fill(other, 20)
    before, mode = names(other), other.stat().st_mode
    with mounted(other, place, tmp_path / "workspace"):
        agent = start_agent()
        if depth:
            wait_until(lambda: not (folder / "beside").exists(), "what is beside it goes")
        wait_until(rests(agent), "it gives up")
        assert names(other) == before
        assert other.stat().st_mode == mode
        assert len(mounts_in(agent.workspace)) == 1
        kill(agent)
    start_agent(name="second")
    wait_until(lambda: not folder.exists(), "without the mount it goes")
    assert names(other) == before


# -- what processes of the container make of it --


def test_links_are_not_followed(start_agent: StartAgent, tmp_path: Path):
    outside = tmp_path / "outside"
    fill(outside, 20)
    (outside / "f").write_bytes(b"x")
    before, mode = names(outside), outside.stat().st_mode
    folder = left_folder(tmp_path / "workspace")
    for place in (folder, folder / "a", folder / "a/b"):
        place.mkdir(exist_ok=True)
        (place / "link").symlink_to(outside)
        (place / "up").symlink_to("../../../outside")
        os.link(outside / "f", place / "hard")
        os.mkfifo(place / "pipe")
    for i, target in enumerate((outside, "../outside", outside / "f", "/")):
        folder.with_name(f"{HIDDEN}link-{i}").symlink_to(target)
    folder.with_name(f"{HIDDEN}{'n' * 200}").mkdir()
    (folder.with_name(f"{HIDDEN}{'n' * 200}") / "f").touch()
    agent = start_agent()
    wait_until(lambda: not list(agent.workspace.iterdir()), "all of it is removed")
    assert names(outside) == before
    assert outside.stat().st_mode == mode
    assert (outside / "f").read_bytes() == b"x"


FILLER = """
import os, sys
n = 0
while True:
    n += 1
    try:
        os.makedirs(f"{sys.argv[1]}/{n % 50}/x/y", exist_ok=True)
        open(f"{sys.argv[1]}/{n % 50}/{n}", "w").close()
    except OSError:
        pass
"""


def test_a_process_that_fills_it_again_and_again_holds_up_no_request(start_agent: StartAgent, tmp_path: Path):
    folder = left_folder(tmp_path / "workspace")
    with subprocess.Popen([sys.executable, "-c", FILLER, str(folder)]) as filler:
        try:
            wait_until(lambda: len(list(folder.iterdir())) > 40, "it fills the folder")
            agent = start_agent()
            took: list[float] = []
            with agent.host() as host:
                until = time.monotonic() + 3
                while time.monotonic() < until:
                    began = time.monotonic()
                    host.write("f", b"x")
                    host.delete("f")
                    took.append(time.monotonic() - began)
            assert sorted(took)[len(took) * 9 // 10] < 0.1, sorted(took)[-10:]
            assert len(took) > 60
        finally:
            filler.kill()
    wait_until(lambda: not folder.exists(), "then it goes")


MOVER = """
import os, sys, itertools
for n in itertools.count():
    for name in ("d/d", "d/d/d/d/d"):
        try:
            os.rename(f"{sys.argv[1]}/{name}", f"{sys.argv[1]}/moved-{n % 20}")
            os.rename(f"{sys.argv[1]}/moved-{n % 20}", f"{sys.argv[1]}/{name}")
            os.rename(f"{sys.argv[1]}/moved-{n % 20}", f"{sys.argv[2]}/moved-{n % 20}")
            os.rename(f"{sys.argv[2]}/moved-{n % 20}", f"{sys.argv[1]}/{name}")
        except OSError:
            pass
"""


def test_folders_that_are_moved_while_they_are_looked_through_lead_nowhere_else(
    start_agent: StartAgent, tmp_path: Path
):
    workspace, outside = tmp_path / "workspace", tmp_path / "outside"
    outside.mkdir()
    (outside / f"{HIDDEN}not-ours").mkdir()
    (outside / f"{HIDDEN}not-ours/f").touch()
    for n in range(1, 60):
        (workspace.joinpath(*["d"] * n) / f"{HIDDEN}{n}").mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", MOVER, str(workspace), str(outside)]) as mover:
        try:
            for round_ in range(5):
                agent = start_agent(name=f"a{round_}")
                wait_until(rests(agent), "it has looked")
                kill(agent)
        finally:
            mover.kill()
    assert (outside / f"{HIDDEN}not-ours/f").exists()
    start_agent(name="last")
    wait_until(lambda: not hidden(workspace), "nothing is left over")


# -- what others are about --


def test_what_another_agent_is_deleting_or_copying_is_left_to_it(start_agent: StartAgent):
    first = start_agent()
    fill(first.workspace / "tree", 1500)
    fill(first.workspace / "from", 1500)
    with first.host() as host:
        begin_delete(host, "tree")
        begin_copy(host, "from", "to")
        wait_until(lambda: hidden(first.workspace), "they have begun")
        for i in range(4):
            start_agent(name=f"other-{i}")
        wait_until(lambda: not hidden(first.workspace), "they are done")
    assert names(first.workspace / "to") == names(first.workspace / "from")
    assert not (first.workspace / "tree").exists()


def test_what_a_dying_agent_still_holds_is_swept_when_it_is_dead(start_agent: StartAgent):
    agent = start_agent()
    with agent.host() as host:
        host.send(DATA, host.write_begin("f"), b"half")
        host.list()
        wait_until(lambda: hidden(agent.workspace), "it is being written")
        other = start_agent(name="other")
        with other.host() as second:
            second.list()
            assert hidden(agent.workspace), "it is left alone"
        kill(agent)
    wait_until(lambda: not hidden(agent.workspace), "it is swept")


# -- in further roots --


def debris(root: Path, mark: str, owner: int) -> list[Path]:
    """Make one of each kind that an agent may leave, in the root and deeper."""
    made: list[Path] = []
    for folder in (root, root / "a/b"):
        folder.mkdir(parents=True, exist_ok=True)
        file, tree, link = (folder / f"{HIDDEN}{mark}-{kind}" for kind in ("file", "tree", "link"))
        file.touch()
        fill(tree, 20)
        link.symlink_to("nowhere")
        for path in (file, tree, link, *tree.rglob("*")):
            os.chown(path, owner, owner, follow_symlinks=False)
        made += [file, tree, link]
    return made


@AS_ROOT
def test_in_a_further_root_only_what_is_the_agents_own_is_swept(start_agent: StartAgent, tmp_path: Path):
    workspace, second = tmp_path / "workspace", tmp_path / "second"
    for folder in (workspace, second):
        folder.mkdir()
    second.chmod(0o1777)
    goes = [*debris(workspace, "own", 0), *debris(second, "own", 0)]
    # Of a link nobody can say whether another agent works on it.
    goes += [path for path in debris(workspace, "his", 4321) if not path.is_symlink()]
    stays = debris(second, "his", 4321)
    before = [names(path) for path in stays]
    agent = start_agent("--root", str(second))
    wait_until(lambda: not any(map(os.path.lexists, goes)), "what is its own goes")
    wait_until(rests(agent, ALL_PASSES_S), "it gives up")
    assert all(map(os.path.lexists, stays))
    assert [names(path) for path in stays] == before
