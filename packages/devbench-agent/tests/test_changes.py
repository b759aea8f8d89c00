"""Lines, appends, moves, copies and modes, in both ways of resolving and exchanging."""

from __future__ import annotations

import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_changes import (
    APPEND,
    BIG,
    BY_MARK,
    INTO_ITSELF,
    LITTLE,
    MAKE_PARENTS,
    MATCH,
    MATCH_TO,
    NEW_ONLY,
    READ_LINES,
    RECURSIVE,
    REPLACE_LINK,
    SECOND_PATH,
    SKIP_SPECIAL,
    begin_copy,
    chmod,
    copy,
    lines,
    move,
)
from agent_process import DEADLINE_S, Agent, StartAgent, wait_until
from agent_wire import (
    CONFLICT,
    CREATE_ONLY,
    DATA,
    EXISTS,
    FSYNC,
    IF_MATCH,
    INVALID,
    IS_DIRECTORY,
    NOT_A_FILE,
    NOT_DIRECTORY,
    NOT_EMPTY,
    NOT_FOUND,
    OUTSIDE,
    WRITE_END,
    Channel,
    FileError,
    text,
)

TOO_LARGE = 8
Files = tuple[Channel, Path]


@pytest.fixture(params=["kernel", "by hand"])
def files(request: pytest.FixtureRequest, start_agent: StartAgent) -> Iterator[Files]:
    options = [] if request.param == "kernel" else ["--no-openat2", "--no-renameat2"]
    agent = start_agent(*options)
    with agent.host() as channel:
        assert "changes" in channel.features
        yield channel, agent.workspace


def leftovers(workspace: Path) -> list[str]:
    # Folders may vanish while they are looked into.
    found = [name for _, folders, files in os.walk(workspace) for name in (*folders, *files)]
    return [name for name in found if name.startswith(".devbench-tmp-")]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Everything in a folder: content or target, and mode."""
    found: dict[str, tuple[str, int]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        kind = str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else path.read_text()
        found[str(path.relative_to(folder))] = (kind, stat.S_IMODE(status.st_mode))
    return found


# -- lines --


@pytest.mark.parametrize(
    "content", ["", "a", "a\n", "a\nb", "a\nb\n", "\n", "\n\n", "a\n\nb\n", "x\r\ny\r\n"]
)
@pytest.mark.parametrize("first", [1, 2, 3, 4, 9, -1, -2, -3, -9])
@pytest.mark.parametrize("count", [1, 2, 2**64 - 1])
def test_lines_are_found_from_both_ends(files: Files, content: str, first: int, count: int):
    host, workspace = files
    (workspace / "f").write_text(content, newline="")
    all_lines = content.encode().splitlines(keepends=True) if "\r" not in content else [b"x\r\n", b"y\r\n"]
    start = min(first - 1, len(all_lines)) if first > 0 else max(len(all_lines) + first, 0)
    got = lines(host, "f", first, count)
    assert got.data == b"".join(all_lines[start : start + count])
    assert got.number == start + 1
    assert got.offset == len(b"".join(all_lines[:start]))
    assert got.eof == (got.offset + len(got.data) == len(content))


@pytest.mark.parametrize(
    ("codec", "width", "order"),
    [
        ("utf-16-le", 2, LITTLE),
        ("utf-16-be", 2, BIG),
        ("utf-32-le", 4, LITTLE),
        ("utf-32-be", 4, BIG),
        ("utf-16", 2, BY_MARK),
        ("utf-32", 4, BY_MARK),
    ],
)
def test_wide_lines_end_where_the_character_is_and_not_the_byte(
    files: Files, codec: str, width: int, order: int
):
    host, workspace = files
    parts = ["one\u0a0a\u0a00\u000a", "\u0a0atwo\u000a", "three \u010a\u0a01"]
    raw = "".join(parts).encode(codec)
    (workspace / "f").write_bytes(raw)
    got = lines(host, "f", 2, 1, width=width, order=order)
    plain = codec if order != BY_MARK else codec + "-le"
    assert got.data.decode(plain) == parts[1]
    assert got.order == (BIG if order == BIG else LITTLE)
    assert lines(host, "f", -1, 1, width=width, order=order).data.decode(plain) == parts[2]


def test_a_mark_tells_the_order_of_bytes(files: Files):
    host, workspace = files
    (workspace / "f").write_bytes(b"\xfe\xff" + "a\nb\n".encode("utf-16-be"))
    got = lines(host, "f", 2, width=2, order=BY_MARK)
    assert (got.data.decode("utf-16-be"), got.order) == ("b\n", BIG)


def test_lines_of_a_large_file_are_found_without_sending_it(files: Files):
    host, workspace = files
    with (workspace / "f").open("wb") as file:
        for number in range(100):
            file.write(b"x" * 1_000_000 + b"%d\n" % number)
    assert lines(host, "f", 100, 1).data.endswith(b"99\n")
    near_end = lines(host, "f", -2, 1, most=10)
    assert (near_end.data, near_end.number) == (b"x" * 10, 0)
    assert lines(host, "f", 2, 1, most=5).offset == 1_000_002


def test_lines_of_what_is_no_file_are_refused(files: Files):
    host, workspace = files
    (workspace / "d").mkdir()
    for path, code in (("d", IS_DIRECTORY), ("missing", NOT_FOUND), ("../x", OUTSIDE)):
        with pytest.raises(FileError) as error:
            lines(host, path)
        assert error.value.code == code
    (workspace / "f").write_text("a")
    for options in ({"first": 0}, {"width": 3}, {"order": 7}):
        with pytest.raises(FileError) as error:
            lines(host, "f", **options)
        assert error.value.code == INVALID


# -- appends and writes --


def test_what_is_appended_is_at_the_end(files: Files):
    host, workspace = files
    assert host.write("f", b"one ", APPEND)[0]
    (workspace / "f").chmod(0o640)
    created, written = host.write("f", b"two", APPEND | FSYNC)
    assert (created, written.size, written.mode) == (False, 7, 0o640)
    assert (workspace / "f").read_bytes() == b"one two"
    assert written == host.stat("f")
    big = os.urandom(3_000_000)
    host.write("f", big, APPEND)
    host.write("f", b"", APPEND)
    assert (workspace / "f").read_bytes() == b"one two" + big
    assert leftovers(workspace) == []


def test_an_append_is_conditional_too(files: Files):
    host, workspace = files
    etag = host.write("f", b"a", APPEND | CREATE_ONLY)[1].etag
    with pytest.raises(FileError) as error:
        host.write("f", b"b", APPEND | CREATE_ONLY)
    assert error.value.code == EXISTS
    now = host.write("f", b"b", APPEND | IF_MATCH, match=etag)[1].etag
    with pytest.raises(FileError) as error:
        host.write("f", b"c", APPEND | IF_MATCH, match=etag)
    assert (error.value.code, error.value.etag) == (CONFLICT, now)
    assert (workspace / "f").read_bytes() == b"ab"


def test_forty_appends_at_once_are_each_there_once_and_whole(files: Files):
    host, workspace = files
    requests = [host.write_begin("log", APPEND) for _ in range(40)]
    for i, request in enumerate(requests):
        host.send(DATA, request, b"<%d" % i)
    for request in requests:
        host.send(DATA, request, b"x" * 50_000 + b">")
        host.send(WRITE_END, request)
    for request in requests:
        host.written(request)
    parts = (workspace / "log").read_bytes().split(b">")
    assert sorted(int(part[1:].rstrip(b"x")) for part in parts[:-1]) == list(range(40))
    assert all(len(part.lstrip(b"<0123456789")) == 50_000 for part in parts[:-1])
    assert leftovers(workspace) == []


def test_nothing_is_seen_of_an_append_before_its_end(files: Files):
    host, workspace = files
    (workspace / "f").write_bytes(b"old")
    request = host.write_begin("f", APPEND)
    host.send(DATA, request, b"new")
    host.stat("f")
    assert (workspace / "f").read_bytes() == b"old"
    assert leftovers(workspace) == []
    host.write_end(request)
    assert (workspace / "f").read_bytes() == b"oldnew"


def test_a_link_is_followed_or_replaced_as_asked(files: Files):
    host, workspace = files
    (workspace / "f").write_bytes(b"old")
    (workspace / "link").symlink_to("f")
    (workspace / "out").symlink_to("/etc/passwd")
    host.write("link", b"through")
    assert (workspace / "f").read_bytes() == b"through"
    assert host.write("link", b"instead", REPLACE_LINK)[0]
    assert not (workspace / "link").is_symlink()
    assert (workspace / "f").read_bytes() == b"through"
    host.write("out", b"mine", REPLACE_LINK)
    assert (workspace / "out").read_bytes() == b"mine"
    (workspace / "link2").symlink_to("f")
    with pytest.raises(FileError) as error:
        host.write("link2", b"x", REPLACE_LINK | CREATE_ONLY)
    assert error.value.code == EXISTS


def test_attributes_of_users_survive_an_overwrite_and_an_append(files: Files):
    host, workspace = files
    (workspace / "f").write_bytes(b"old")
    os.setxattr(workspace / "f", "user.note", b"kept")
    host.write("f", b"new")
    host.write("f", b"er", APPEND)
    assert os.getxattr(workspace / "f", "user.note") == b"kept"
    copy(host, "f", "g")
    assert os.getxattr(workspace / "g", "user.note") == b"kept"


# -- moves --


def test_files_links_and_folders_are_moved(files: Files):
    host, workspace = files
    (workspace / "f").write_text("f")
    (workspace / "link").symlink_to("f")
    (workspace / "d/e").mkdir(parents=True)
    assert not move(host, "f", "d/g")
    assert not move(host, "link", "new/deep/link", MAKE_PARENTS)
    assert not move(host, "d", "moved")
    assert (workspace / "moved/g").read_text() == "f"
    assert (workspace / "new/deep/link").is_symlink()
    assert names(workspace) == ["moved", "new"]


def test_a_move_overwrites_unless_told_otherwise(files: Files):
    host, workspace = files
    (workspace / "a").write_text("a")
    (workspace / "b").write_text("b")
    with pytest.raises(FileError) as error:
        move(host, "a", "b", NEW_ONLY)
    assert (error.value.code, error.value.errno & SECOND_PATH) == (EXISTS, SECOND_PATH)
    assert (workspace / "b").read_text() == "b"
    assert move(host, "a", "b")
    assert (workspace / "b").read_text() == "a"
    assert not (workspace / "a").exists()


def test_a_move_is_conditional_on_both_sides(files: Files):
    host, workspace = files
    a = host.write("a", b"a")[1].etag
    b = host.write("b", b"b")[1].etag
    for flags, match, match_to, now, second in ((MATCH, b, "", a, 0), (MATCH_TO, "", a, b, SECOND_PATH)):
        with pytest.raises(FileError) as error:
            move(host, "a", "b", flags, match, match_to)
        assert (error.value.code, error.value.etag) == (CONFLICT, now)
        assert error.value.errno & SECOND_PATH == second
    assert (workspace / "b").read_bytes() == b"b"
    assert move(host, "a", "b", MATCH | MATCH_TO, a, b)
    assert (workspace / "b").read_bytes() == b"a"
    assert names(workspace) == ["b"]
    with pytest.raises(FileError) as error:
        move(host, "b", "c", MATCH_TO, "", a)
    assert error.value.code == NOT_FOUND


def test_a_move_that_makes_no_sense_is_refused_by_name(files: Files):
    host, workspace = files
    (workspace / "d/e").mkdir(parents=True)
    (workspace / "full/x").mkdir(parents=True)
    (workspace / "f").write_text("f")
    expected = [
        ("d", "d/e/g", INTO_ITSELF, True),
        ("d", "f", NOT_DIRECTORY, True),
        ("f", "d", IS_DIRECTORY, True),
        ("d", "full", NOT_EMPTY, True),
        ("missing", "x", NOT_FOUND, False),
        ("f", "nowhere/x", NOT_FOUND, True),
        ("f", "../x", OUTSIDE, True),
        ("../f", "x", OUTSIDE, False),
        ("f", "", IS_DIRECTORY, True),
        ("", "x", INVALID, False),
    ]
    before = tree(workspace)
    for path, to, code, second in expected:
        with pytest.raises(FileError) as error:
            move(host, path, to)
        assert (error.value.code, bool(error.value.errno & SECOND_PATH)) == (code, second), (path, to)
    assert tree(workspace) == before


def test_two_names_of_one_file_become_one_and_a_name_onto_itself_stays(files: Files):
    host, workspace = files
    (workspace / "a").write_text("x")
    (workspace / "b").hardlink_to(workspace / "a")
    move(host, "a", "b")
    assert names(workspace) == ["b"]
    move(host, "b", "b")
    assert (workspace / "b").read_text() == "x"


# -- copies --


@pytest.mark.parametrize("size", [0, 1, 300_000, 5_000_000])
def test_a_file_is_copied_with_its_mode(files: Files, size: int):
    host, workspace = files
    data = os.urandom(size)
    (workspace / "f").write_bytes(data)
    (workspace / "f").chmod(0o751)
    done = copy(host, "f", "new/g", MAKE_PARENTS)
    assert (done.created, done.entries, done.bytes, done.stat.mode) == (True, 1, size, 0o751)
    assert (workspace / "new/g").read_bytes() == data
    assert done.stat.etag == host.stat("new/g").etag
    assert not copy(host, "f", "new/g").created
    assert leftovers(workspace) == []


def test_a_copy_is_conditional_on_both_sides(files: Files):
    host, workspace = files
    a = host.write("a", b"a")[1].etag
    b = host.write("b", b"b")[1].etag
    for flags, match, match_to, now, second in ((MATCH, b, "", a, 0), (MATCH_TO, "", a, b, SECOND_PATH)):
        with pytest.raises(FileError) as error:
            copy(host, "a", "b", flags, match, match_to)
        assert (error.value.code, error.value.etag, error.value.errno & SECOND_PATH) == (
            CONFLICT,
            now,
            second,
        )
    with pytest.raises(FileError) as error:
        copy(host, "a", "b", NEW_ONLY)
    assert error.value.code == EXISTS
    copy(host, "a", "b", MATCH | MATCH_TO, a, b)
    assert (workspace / "b").read_bytes() == b"a"


def make_tree(folder: Path) -> None:
    (folder / "sub/empty").mkdir(parents=True)
    (folder / "sub/file").write_text("content")
    (folder / "sub/file").chmod(0o640)
    (folder / "link").symlink_to("sub/file")
    (folder / "out").symlink_to("/etc/passwd")
    (folder / "sub").chmod(0o750)
    for i in range(100):
        (folder / f"sub/empty/{i}").write_text(str(i) * 100)


def test_a_folder_is_copied_with_links_as_links(files: Files):
    host, workspace = files
    make_tree(workspace / "d")
    with pytest.raises(FileError) as error:
        copy(host, "d", "e")
    assert error.value.code == IS_DIRECTORY
    done = copy(host, "d", "e", RECURSIVE)
    assert tree(workspace / "e") == tree(workspace / "d")
    assert (done.created, done.entries, done.skipped, done.stat.type) == (True, 106, 0, 2)
    assert done.bytes == 7 + sum(100 * len(str(i)) for i in range(100))
    with pytest.raises(FileError) as error:
        copy(host, "d", "e", RECURSIVE)
    assert (error.value.code, error.value.errno & SECOND_PATH) == (EXISTS, SECOND_PATH)
    assert leftovers(workspace) == []


def test_a_folder_is_not_copied_into_itself(files: Files):
    host, workspace = files
    make_tree(workspace / "d")
    for to in ("d/x", "d/sub/x"):
        with pytest.raises(FileError) as error:
            copy(host, "d", to, RECURSIVE)
        assert error.value.code == INTO_ITSELF
    (workspace / "f").write_text("f")
    with pytest.raises(FileError) as error:
        copy(host, "f", "f")
    assert error.value.code == INTO_ITSELF
    assert leftovers(workspace) == []


def test_special_files_are_refused_or_skipped(files: Files):
    host, workspace = files
    (workspace / "d").mkdir()
    os.mkfifo(workspace / "d/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(workspace / "d/socket"))
    (workspace / "d/f").write_text("f")
    with pytest.raises(FileError) as error:
        copy(host, "d", "e", RECURSIVE)
    assert error.value.code == NOT_A_FILE
    wait_until(lambda: not leftovers(workspace), "what was copied is taken away")
    assert copy(host, "d", "e", RECURSIVE | SKIP_SPECIAL).skipped == 2
    assert names(workspace / "e") == ["f"]


def test_a_copy_over_a_limit_leaves_nothing(files: Files):
    host, workspace = files
    make_tree(workspace / "d")
    deep = workspace / "deep"
    for _ in range(70):
        deep = deep / "x"
    deep.mkdir(parents=True)
    (workspace / "f").write_bytes(b"12345")
    cases = [
        ("d", RECURSIVE, 50, 2**63, "entries"),
        ("d", RECURSIVE, 1000, 300, "bytes"),
        ("deep", RECURSIVE, 1000, 2**63, "depth"),
        ("f", 0, 1000, 4, "bytes"),
    ]
    for path, flags, entries, most, what in cases:
        with pytest.raises(FileError, match=what) as error:
            copy(host, path, "e", flags, entries=entries, most=most)
        assert error.value.code == TOO_LARGE
    assert not (workspace / "e").exists()
    wait_until(lambda: not leftovers(workspace), "what was copied is taken away")


def test_what_a_killed_agent_was_copying_is_swept_by_the_next(start_agent: StartAgent):
    agent = start_agent(name="first")
    for i in range(3000):
        path = agent.workspace / f"d/{i % 50}/{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 2000)
    with agent.host() as host:
        begin_copy(host, "d", "e")
        wait_until(lambda: any(agent.workspace.glob(".devbench-tmp-copy-*/*")), "the copy has begun")
        agent.process.kill()
        agent.process.wait()
    assert not (agent.workspace / "e").exists()
    start_agent(name="second")
    wait_until(lambda: not leftovers(agent.workspace), "the next agent takes it away")
    assert len(list((agent.workspace / "d").rglob("*"))) == 3050


def test_a_copy_whose_host_goes_leaves_nothing(agent: Agent):
    for i in range(2000):
        path = agent.workspace / f"d/{i % 50}/{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 2000)
    with agent.host() as host:
        begin_copy(host, "d", "e")
        wait_until(lambda: any(agent.workspace.glob(".devbench-tmp-copy-*/*")), "the copy has begun")
    wait_until(lambda: not leftovers(agent.workspace), "what was copied is taken away")
    assert not (agent.workspace / "e").exists()


# -- modes --


def test_modes_are_changed(files: Files):
    host, workspace = files
    (workspace / "f").write_text("f")
    (workspace / "link").symlink_to("f")
    (workspace / "out").symlink_to("/etc/passwd")
    count, changed = chmod(host, "f", 0o4711)
    assert (count, changed.mode) == (1, 0o4711)
    assert changed.etag == host.stat("f").etag
    assert chmod(host, "link", 0o600)[1].mode == 0o600
    for path, code in (("out", OUTSIDE), ("missing", NOT_FOUND)):
        with pytest.raises(FileError) as error:
            chmod(host, path, 0o777)
        assert error.value.code == code
    with pytest.raises(FileError) as error:
        chmod(host, "f", 0o777, MATCH // 2, "0" * 32)
    assert (error.value.code, error.value.etag) == (CONFLICT, host.stat("f").etag)
    chmod(host, "f", 0o777, MATCH // 2, host.stat("f").etag)
    assert stat.S_IMODE((workspace / "f").stat().st_mode) == 0o777


def test_modes_of_a_tree_are_changed_and_no_link_is_followed(files: Files):
    host, workspace = files
    (workspace / "outside").write_text("o")
    (workspace / "outside").chmod(0o600)
    make_tree(workspace / "d")
    (workspace / "d/away").symlink_to("../outside")
    (workspace / "d/sub/empty").chmod(0)
    count, changed = chmod(host, "d", 0o640, 1, folders=0o750)
    assert (count, changed.mode) == (104, 0o750)
    for path in [workspace / "d", *(workspace / "d").rglob("*")]:
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640)
    assert stat.S_IMODE((workspace / "outside").stat().st_mode) == 0o600
    with pytest.raises(FileError, match="entries") as error:
        chmod(host, "d", 0o777, 1, entries=10)
    assert error.value.code == TOO_LARGE
    assert stat.S_IMODE((workspace / "d/sub/file").stat().st_mode) == 0o640


def test_a_folder_gets_exactly_the_mode_that_was_asked_for(files: Files):
    host, workspace = files
    host.mkdir("d", 4, 0o1777)
    host.mkdir("e", 0, 0o777)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((workspace / "d").stat().st_mode) == 0o1777
    assert stat.S_IMODE((workspace / "e").stat().st_mode) == 0o777 & ~mask


def test_a_copy_of_what_does_not_stop_changing_is_told_and_of_what_does_is_whole(files: Files):
    host, workspace = files
    source = workspace / "f"
    source.write_bytes(b"x" * 20_000_000)
    stop = threading.Event()

    def change() -> None:
        with source.open("r+b") as file:
            while not stop.is_set():
                file.seek(0)
                file.write(b"y")
                file.flush()

    changing = threading.Thread(target=change)
    changing.start()
    refused: list[int] = []
    try:
        until = time.monotonic() + DEADLINE_S
        while not refused and time.monotonic() < until:  # the writer may rest for as long as a copy takes
            (workspace / "g").unlink(missing_ok=True)
            try:
                copy(host, "f", "g")
            except FileError as error:
                refused.append(error.code)
        assert refused == [CONFLICT]
    finally:
        stop.set()
        changing.join()
    assert not (workspace / "g").exists()
    copy(host, "f", "g")
    assert (workspace / "g").read_bytes() == source.read_bytes()
    assert leftovers(workspace) == []


def test_a_move_over_what_another_replaces_takes_only_what_it_was_told_to(start_agent: StartAgent):
    """A foreign program replaces the target again and again: what a move replaced had the etag that it was given."""
    agent = start_agent()
    replaced, stop = [b"0"], threading.Event()

    def replace() -> None:
        for i in range(1, 100_000):
            if stop.is_set():
                return
            (agent.workspace / "next").write_bytes(b"%d" % i)
            replaced.append(b"%d" % i)
            (agent.workspace / "next").replace(agent.workspace / "b")

    with agent.host() as host:
        host.write("b", b"0")
        foreign = threading.Thread(target=replace)
        foreign.start()
        refused: list[int] = []
        try:
            for _ in range(50):
                host.write("a", b"mine")
                etag = host.stat("b").etag
                try:
                    move(host, "a", "b", MATCH_TO, "", etag)
                except FileError as error:
                    refused.append(error.code)
        finally:
            stop.set()
            foreign.join()
        assert set(refused) == {CONFLICT}
        last = host.read("b")[1]
        assert last in {replaced[-1], b"mine"}
    assert leftovers(agent.workspace) == []


def test_others_are_answered_while_a_tree_is_copied_and_lines_are_looked_for(agent: Agent):
    for i in range(3000):
        path = agent.workspace / f"d/{i % 30}/{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 2000)
    with (agent.workspace / "wide").open("wb") as file:
        file.truncate(500_000_000)
    with agent.host() as busy, agent.host() as host:
        begin_copy(busy, "d", "e")
        numbers = struct.pack(">qQQQBB", 10**9, 1, 8, 8, 4, BIG)
        busy.send(READ_LINES, busy.request(), text("wide") + numbers)
        waits: list[float] = []
        while not (agent.workspace / "e").exists():
            before = time.monotonic()
            host.stat("wide")
            waits.append(time.monotonic() - before)
    waits.sort()
    assert len(waits) > 20
    assert waits[len(waits) // 2] < 0.02
