"""Paths beneath further roots than the workspace."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import batch_wire
from agent_changes import MAKE_PARENTS, OTHER_DEVICE, RECURSIVE, SECOND_PATH, chmod, copy, lines, move
from agent_process import StartAgent, wait_until
from agent_search import all_lines, find
from agent_wire import (
    CREATE_ONLY,
    EXISTS,
    IF_MATCH,
    INVALID,
    NOT_FOUND,
    OUTSIDE,
    PARENTS,
    FileError,
)
from batch_wire import DELETE, MKDIR, MOVE, WRITE, Op, Refused, batch
from root_lab import NO_ROOT, OPTIONS, Roots, refusal, start_with_roots
from test_watch import Watcher

GITIGNORE = 2
CREATED, MODIFIED = 1, 2


@pytest.fixture(params=list(OPTIONS))
def roots(request: pytest.FixtureRequest, start_agent: StartAgent, tmp_path: Path) -> Iterator[Roots]:
    second, absent = tmp_path / "second", tmp_path / "absent" / "deep"
    second.mkdir()
    agent = start_with_roots(start_agent, request.param, second, absent)
    with agent.host() as host:
        assert "roots" in host.features
        yield Roots(host, agent, agent.workspace, second, absent)


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the workspace."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    assert folder.stat().st_dev != tmp_path.stat().st_dev
    yield folder
    shutil.rmtree(folder)


def test_every_operation_works_beneath_a_second_root(roots: Roots):
    host, second = roots.host, roots.second
    at = str(second)
    created, written = host.write(f"{at}/a/b/f", b"one\ntwo\n", PARENTS)
    assert created
    assert (second / "a/b/f").read_bytes() == b"one\ntwo\n"
    assert host.stat(f"{at}/a/b/f").etag == written.etag == host.read(f"{at}/a/b/f")[0].etag
    assert not host.write(f"{at}/a/b/f", b"one\nthree\n", IF_MATCH, match=written.etag)[0]
    assert lines(host, f"{at}/a/b/f", 2, 1).data == b"three\n"
    assert host.mkdir(f"{at}/made")
    assert list(host.dir(at)[0]) == [b"a", b"made"]
    assert find(host, at).paths == [b"a", b"a/b", b"a/b/f", b"made"]
    assert all_lines(host, "three", path=at) == [(b"a/b/f", 2, b"three")]
    assert chmod(host, f"{at}/a/b/f", 0o600)[0] == 1
    assert not move(host, f"{at}/a/b/f", f"{at}/made/g")
    assert copy(host, f"{at}/made", f"{at}/copied", RECURSIVE).entries == 2
    host.delete(f"{at}/made", recursive=True)
    batch(
        host, [Op(MKDIR, f"{at}/all"), Op(WRITE, f"{at}/all/f", b"x"), Op(MOVE, f"{at}/a", other=f"{at}/b")]
    )
    assert sorted(path.name for path in second.iterdir()) == ["all", "b", "copied"]
    assert not list(roots.workspace.iterdir())


def test_the_workspaces_paths_are_what_they_were(roots: Roots):
    roots.host.write("f", b"here")
    assert (roots.workspace / "f").read_bytes() == b"here"
    assert refusal(lambda: roots.host.read(str(roots.workspace / "f")))[0] == OUTSIDE


@pytest.mark.parametrize(
    "path",
    [
        "SECOND/../x",
        "SECOND/a/../../x",
        "SECONDx/f",
        "SECOND/up/x",
        "SECOND/absolute",
        "SECOND/chain/x",
        "SECOND/to-workspace",
        "SECOND/by-text",
        "to-second",
        "to-second-by-name/f",
        "/",
        "//",
        "/etc/passwd",
    ],
)
def test_no_path_and_no_link_leads_out_of_its_root_nor_into_another(roots: Roots, path: str):
    host, second, workspace = roots.host, roots.second, roots.workspace
    (second.parent / "x").write_text("secret")
    (second.parent / "secondx").mkdir()
    (second / "a").mkdir()
    (second / "f").write_text("second")
    (workspace / "f").write_text("workspace")
    (second / "up").symlink_to("..")
    (second / "absolute").symlink_to(second / "f")
    (second / "chain").symlink_to("a/../up")
    (second / "to-workspace").symlink_to("../workspace/f")
    (second / "by-text").symlink_to(f"{second}/a/../f")
    (workspace / "to-second").symlink_to("../second/f")
    (workspace / "to-second-by-name").symlink_to(second)
    path = path.replace("SECOND", str(second))
    uses = (
        lambda: host.stat(path, follow=True),
        lambda: host.read(path),
        lambda: host.write(path, b"gotcha"),
        lambda: host.write(path, b"gotcha", PARENTS),
        lambda: host.dir(path),
        lambda: find(host, path),
        lambda: host.delete(path + "/x", recursive=True),
        lambda: host.mkdir(path + "/x", 1),
        lambda: copy(host, path, "copied"),
        lambda: chmod(host, path, 0o600),
    )
    assert [refusal(use)[0] for use in uses] == [OUTSIDE] * len(uses)
    assert (second.parent / "x").read_text() == "secret"
    assert ((second / "f").read_text(), (workspace / "f").read_text()) == ("second", "workspace")


def test_links_within_a_root_are_followed(roots: Roots):
    (roots.second / "a/b").mkdir(parents=True)
    (roots.second / "link").symlink_to("a/b/../b/f")
    roots.host.write(f"{roots.second}/link", b"through")
    assert (roots.second / "a/b/f").read_bytes() == b"through"
    assert roots.host.stat(f"{roots.second}/a/..").type == 2


def make_link(path: Path) -> None:
    path.symlink_to("second")


def make_file(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize(
    ("make", "number"), [(None, errno.ENOENT), (make_file, errno.ENOTDIR), (make_link, errno.ELOOP)]
)
def test_a_root_that_is_none_says_why(roots: Roots, make: Callable[[Path], None] | None, number: int):
    host, at = roots.host, str(roots.absent)
    if make is not None:
        make(roots.absent.parent)
    uses = (
        lambda: host.stat(at),
        lambda: host.read(f"{at}/f"),
        lambda: host.write(f"{at}/f", b"x", PARENTS),
        lambda: host.mkdir(at, 1),
        lambda: host.dir(at),
        lambda: find(host, at),
        lambda: host.delete(f"{at}/f"),
    )
    assert [refusal(use) for use in uses] == [(NO_ROOT, number)] * len(uses)
    host.write("f", b"x")
    assert refusal(lambda: copy(host, "f", f"{at}/f")) == (NO_ROOT, number | SECOND_PATH)
    with pytest.raises(Refused) as refused:
        batch(host, [Op(WRITE, f"{at}/f", b"x")])
    assert (refused.value.code, refused.value.errno) == (NO_ROOT, number)


def test_a_root_is_whatever_has_its_name_at_the_time(roots: Roots):
    host, at = roots.host, str(roots.absent)
    assert refusal(lambda: host.stat(at))[0] == NO_ROOT
    roots.absent.mkdir(parents=True)
    host.write(f"{at}/f", b"first")
    roots.absent.rename(roots.absent.with_name("old"))
    assert refusal(lambda: host.read(f"{at}/f"))[0] == NO_ROOT
    roots.absent.mkdir()
    assert refusal(lambda: host.read(f"{at}/f"))[0] == NOT_FOUND
    roots.absent.rmdir()
    roots.absent.symlink_to("old")
    assert refusal(lambda: host.read(f"{at}/f")) == (NO_ROOT, errno.ELOOP)


def test_a_root_itself_is_neither_deleted_nor_moved(roots: Roots):
    host, at = roots.host, str(roots.second)
    assert refusal(lambda: host.delete(at, recursive=True))[0] == INVALID
    assert refusal(lambda: host.delete(f"{at}/", recursive=True))[0] == INVALID
    assert refusal(lambda: move(host, at, "x"))[0] == INVALID
    for op in (Op(DELETE, at), Op(MKDIR, at), Op(MOVE, at, other=f"{at}/x")):
        with pytest.raises(Refused) as refused:
            batch(host, [op])
        assert refused.value.code == INVALID
    assert host.stat(at).type == 2


def test_a_move_and_a_copy_go_from_root_to_root(roots: Roots):
    host, at = roots.host, str(roots.second)
    host.write("tree/f", b"f", PARENTS)
    host.write("g", b"g")
    assert copy(host, "tree", f"{at}/new/tree", RECURSIVE | MAKE_PARENTS).entries == 2
    assert not move(host, "tree", f"{at}/moved")
    assert not move(host, f"{at}/moved/f", "back")
    etag = host.stat("g").etag
    host.write(f"{at}/g", b"other")
    assert move(host, "g", f"{at}/g", 4, match=etag)
    assert refusal(lambda: move(host, f"{at}/g", "back", 1)) == (EXISTS, errno.EEXIST | SECOND_PATH)
    assert (roots.workspace / "back").read_bytes() == b"f"
    assert (roots.second / "g").read_bytes() == b"g"
    assert (roots.second / "new/tree/f").read_bytes() == b"f"


@pytest.mark.parametrize("way", list(OPTIONS))
def test_between_file_systems_a_copy_goes_and_a_move_is_refused(
    start_agent: StartAgent, way: str, other_disk: Path
):
    agent = start_with_roots(start_agent, way, other_disk)
    with agent.host() as host:
        host.write("tree/f", b"f", PARENTS)
        for path in ("tree", "tree/f"):
            code = refusal(lambda path=path: move(host, path, f"{other_disk}/x"))
            assert code == (OTHER_DEVICE, errno.EXDEV | SECOND_PATH)
        assert copy(host, "tree", f"{other_disk}/tree", RECURSIVE).entries == 2
        assert not host.write(
            f"{other_disk}/tree/f", b"2", IF_MATCH, match=host.stat(f"{other_disk}/tree/f").etag
        )[0]
        host.write(f"{other_disk}/new", b"3", CREATE_ONLY)
        batch(host, [Op(WRITE, f"{other_disk}/tree/f", b"4"), Op(DELETE, f"{other_disk}/new")])
    assert (other_disk / "tree/f").read_bytes() == b"4"
    assert [path.name for path in other_disk.iterdir()] == ["tree"]


def test_a_batch_stays_in_the_root_of_its_first_operation(roots: Roots):
    host, at = roots.host, str(roots.second)
    host.write("f", b"f")
    for ops, index in (
        ([Op(WRITE, f"{at}/a", b"a"), Op(WRITE, "b", b"b")], 1),
        ([Op(WRITE, "a", b"a"), Op(WRITE, f"{at}/b", b"b")], 1),
        ([Op(MOVE, "f", other=f"{at}/f")], 0),
        ([Op(WRITE, f"{at}/a"), Op(MOVE, "f", other="g")], 1),
    ):
        with pytest.raises(Refused) as refused:
            batch(host, ops)
        assert (refused.value.index, refused.value.code) == (index, OTHER_DEVICE)
    for ops in ([Op(WRITE, "/etc/x")], [Op(MOVE, "f", other="/etc/x")]):
        with pytest.raises(Refused) as refused:
            batch(host, ops)
        assert refused.value.code == OUTSIDE
    wait_until(lambda: not list(roots.second.iterdir()), "nothing is left")
    wait_until(lambda: [path.name for path in roots.workspace.iterdir()] == ["f"], "nothing is left")


def test_a_batch_waits_in_its_own_root(roots: Roots):
    host = roots.host
    request = batch_wire.begin(host)
    batch_wire.send(host, request, Op(WRITE, f"{roots.second}/f", b"new"))
    wait_until(lambda: list(roots.second.glob(".devbench-tmp-batch-*")), "it waits there")
    assert not list(roots.workspace.iterdir())
    batch_wire.end(host, request, 1)
    assert [path.name for path in roots.second.iterdir()] == ["f"]


def test_what_was_left_is_swept_in_every_root(start_agent: StartAgent, tmp_path: Path):
    second, workspace = tmp_path / "second", tmp_path / "workspace"
    for root in (second, workspace):
        (root / "sub/.devbench-tmp-copy-1").mkdir(parents=True)
        (root / "sub/.devbench-tmp-1").write_text("debris")
        (root / ".devbench-tmp-batch-1").mkdir()
        (root / ".devbench-tmp-batch-1/0").write_text("debris")
        (root / "sub/kept").write_text("kept")
    start_with_roots(start_agent, "kernel", tmp_path / "absent", second)
    for root in (second, workspace):
        left = lambda root=root: sorted(path.name for path in root.rglob("*"))  # noqa: E731 - looked at again and again
        wait_until(lambda left=left: left() == ["kept", "sub"], "the debris is gone")


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a folder of another user")
def test_nothing_is_carried_out_that_another_user_left(start_agent: StartAgent, tmp_path: Path):
    second = tmp_path / "second"
    staging = second / ".devbench-tmp-batch-1"
    staging.mkdir(parents=True)
    (second / "f").write_text("f")
    (staging / "committed").write_bytes(b"")
    os.chown(staging, 4321, 4321)
    agent = start_with_roots(start_agent, "kernel", second)
    with agent.host() as host:
        assert host.read(f"{second}/f")[1] == b"f"
    assert (staging / "committed").exists()


def test_rules_to_ignore_are_those_of_the_root_and_beneath(roots: Roots):
    at = str(roots.second)
    (roots.second.parent / ".gitignore").write_text("f\n")
    (roots.second / ".gitignore").write_text("/a/b/left\nout\n")
    (roots.second / "a/b").mkdir(parents=True)
    for name in ("left", "out", "f"):
        (roots.second / "a/b" / name).write_text("x")
    assert find(roots.host, f"{at}/a/b", flags=GITIGNORE).paths == [b"f"]
    assert find(roots.host, f"{at}/a", flags=GITIGNORE).paths == [b"b", b"b/f"]
    assert find(roots.host, at, flags=GITIGNORE).paths == [b".gitignore", b"a", b"a/b", b"a/b/f"]


@pytest.mark.parametrize("beneath", ["", "/sub"])
def test_a_root_is_watched_like_the_workspace(roots: Roots, beneath: str):
    at = f"{roots.second}{beneath}"
    Path(at).mkdir(exist_ok=True)
    watch = Watcher(roots.host, at)
    roots.host.write(f"{at}/deep/f", b"1", PARENTS)
    watch.until((CREATED, b"deep", b""), (CREATED, b"deep/f", b""))
    roots.host.write(f"{at}/deep/f", b"2")
    watch.until((MODIFIED, b"deep/f", b""))


def test_the_slash_is_no_name_of_the_workspace(roots: Roots):
    with pytest.raises(FileError) as error:
        Watcher(roots.host, "/")
    assert error.value.code == OUTSIDE


@pytest.mark.parametrize("root", ["relative", "/", "/a/", "/a//b", "/a/../b", "/a/./b", "", "/" + "n" * 256])
def test_a_root_that_could_be_two_things_is_refused_at_the_start(binary: Path, tmp_path: Path, root: str):
    words = ["--socket", str(tmp_path / "s"), "--workspace", str(tmp_path), "--root", root]
    ended = subprocess.run([binary, *words], capture_output=True, timeout=10, check=False)
    assert (ended.returncode, ended.stderr.count(b"\n")) == (1, 1)


@pytest.mark.parametrize("words", [["--root"], [word for n in range(9) for word in ("--root", f"/{n}")]])
def test_too_many_roots_or_none_are_wrong_arguments(binary: Path, tmp_path: Path, words: list[str]):
    ended = subprocess.run(
        [binary, "--socket", str(tmp_path / "s"), *words], capture_output=True, timeout=10, check=False
    )
    assert ended.returncode == 2


def test_a_write_that_waits_for_a_batch_waits_in_its_own_root(roots: Roots):
    host, at = roots.host, str(roots.second)
    ops = [Op(WRITE, f"many/{n}", b"x") for n in range(2000)]
    request = batch_wire.begin(host)
    for op in (Op(MKDIR, "many"), *ops):
        batch_wire.send(host, request, op)
    writes: list[int] = []
    host.send(batch_wire.BATCH_END, request, struct.pack(">I", len(ops) + 1))
    for n in range(50):
        writes.append(host.write_begin(f"{at}/f{n}"))
        host.send(0x34, writes[-1], b"content")
        host.send(0x38, writes[-1])
    batch_wire.answer(host, request, len(ops) + 1)
    for write in writes:
        host.written(write)
    assert len(list(roots.second.iterdir())) == 50
    assert {path.read_bytes() for path in roots.second.iterdir()} == {b"content"}
    assert [path.name for path in roots.workspace.iterdir()] == ["many"]
