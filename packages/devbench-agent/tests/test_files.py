from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_process import Agent, StartAgent, wait_until
from agent_wire import (
    ABORT,
    ABORTED,
    CONFLICT,
    CREATE_ONLY,
    DATA,
    EXISTS,
    FILE_WINDOW,
    FOREVER,
    FSYNC,
    IF_MATCH,
    INVALID,
    IS_DIRECTORY,
    NOT_A_FILE,
    NOT_DIRECTORY,
    NOT_EMPTY,
    NOT_FOUND,
    OUTSIDE,
    PARENTS,
    READ,
    Channel,
    FileError,
    text,
)

LOOP = 11


@pytest.fixture(params=["kernel", "by hand"])
def files(request: pytest.FixtureRequest, start_agent: StartAgent) -> Iterator[tuple[Channel, Path]]:
    """A host and the workspace, with both ways of resolving and exchanging."""
    options = [] if request.param == "kernel" else ["--no-openat2", "--no-renameat2"]
    agent = start_agent(*options)
    with agent.host() as channel:
        by_kernel = {"openat2", "exchange"} & set(channel.features)
        assert by_kernel == (set() if options else {"openat2", "exchange"})
        yield channel, agent.workspace


Files = tuple[Channel, Path]


def leftovers(workspace: Path) -> list[str]:
    return [path.name for path in workspace.rglob("*") if path.name.startswith(".devbench-tmp-")]


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 5_000_000])
def test_what_is_written_is_read(files: Files, size: int):
    host, workspace = files
    data = os.urandom(size)
    created, written = host.write("f", data)
    assert created
    assert (workspace / "f").read_bytes() == data
    meta, got, eof, changed = host.read("f")
    assert (got, eof, changed) == (data, True, False)
    assert meta == written == host.stat("f") == host.dir("")[0][b"f"]
    assert len(meta.etag) == 32
    assert (meta.type, meta.size, meta.uid) == (1, size, os.geteuid())
    assert meta.mtime_ns == (workspace / "f").stat().st_mtime_ns
    assert leftovers(workspace) == []


def test_a_part_is_read(files: Files):
    host, workspace = files
    (workspace / "f").write_bytes(b"0123456789")
    assert host.read("f", 3, 4)[1:3] == (b"3456", False)
    assert host.read("f", 3)[1:3] == (b"3456789", True)
    assert host.read("f", 3, 7)[1:3] == (b"3456789", True)
    assert host.read("f", 99)[1:3] == (b"", True)
    assert host.read("f", 2, 0)[1:3] == (b"", False)


def test_overwriting_keeps_the_mode_and_says_that_it_is_not_new(files: Files):
    host, workspace = files
    (workspace / "f").write_text("old")
    (workspace / "f").chmod(0o750)
    created, written = host.write("f", b"new")
    assert (created, written.mode) == (False, 0o750)
    assert host.write("f", b"new", mode=0o604)[1].mode == 0o604
    mask = os.umask(0)
    os.umask(mask)
    assert host.write("g", b"")[1].mode == 0o644 & ~mask


def test_create_only_refuses_what_is_there(files: Files):
    host, workspace = files
    assert host.write("f", b"1", CREATE_ONLY)[0]
    with pytest.raises(FileError) as error:
        host.write("f", b"2", CREATE_ONLY)
    assert error.value.code == EXISTS
    assert (workspace / "f").read_bytes() == b"1"
    assert leftovers(workspace) == []


def test_missing_folders_are_made_only_when_asked(files: Files):
    host, workspace = files
    with pytest.raises(FileError) as error:
        host.write("a/b/c", b"x")
    assert error.value.code == NOT_FOUND
    host.write("a/b/c", b"x", PARENTS)
    host.write("a/b/d", b"x", PARENTS)
    assert (workspace / "a/b/c").read_bytes() == b"x"


def test_a_write_to_disk_waits_for_the_disk(files: Files):
    host, workspace = files
    assert host.write("f", b"safe", FSYNC)[0]
    assert (workspace / "f").read_bytes() == b"safe"


def test_a_conditional_write_wins_only_with_the_current_etag(files: Files):
    host, workspace = files
    first = host.write("f", b"1")[1].etag
    second = host.write("f", b"2", IF_MATCH, match=first)[1].etag
    assert first != second
    with pytest.raises(FileError) as error:
        host.write("f", b"3", IF_MATCH, match=first)
    assert (error.value.code, error.value.etag) == (CONFLICT, second)
    assert (workspace / "f").read_bytes() == b"2"
    assert leftovers(workspace) == []
    with pytest.raises(FileError) as error:
        host.write("absent", b"", IF_MATCH, match=first)
    assert error.value.code == NOT_FOUND


def test_every_foreign_change_is_seen_even_within_one_tick_of_the_clock(files: Files):
    host, workspace = files
    path = workspace / "f"
    for i in range(200):
        etag = host.write("f", b"mine")[1].etag
        path.write_bytes(b"them")  # the same size, at once, in place
        with pytest.raises(FileError) as error:
            host.write("f", b"mine", IF_MATCH, match=etag)
        assert error.value.code == CONFLICT, i
        etag = host.stat("f").etag
        path.write_bytes(b"more")
        with pytest.raises(FileError) as error:
            host.write("f", b"mine", IF_MATCH, match=etag)
        assert error.value.code == CONFLICT, i


def test_an_etag_does_not_change_by_itself(files: Files):
    host, workspace = files
    (workspace / "f").write_text("x")
    etag = host.stat("f").etag
    for _ in range(5):
        assert host.stat("f").etag == host.read("f")[0].etag == host.dir("")[0][b"f"].etag == etag
    assert not host.write("f", b"y", IF_MATCH, match=etag)[0]


def test_an_etag_of_a_file_that_never_rests_covers_no_later_change(files: Files):
    host, workspace = files
    path = workspace / "f"
    path.write_bytes(b"0" * 12)
    script = (
        "import sys\nf=open(sys.argv[1],'r+b',buffering=0)\nn=0\n"
        "while True: n+=1; f.seek(0); f.write(b'%012d' % n)"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(path)])
    try:
        wait_until(lambda: path.read_bytes() != b"0" * 12, "the writer")
        for _ in range(40):
            etag = host.stat("f").etag
            before = path.read_bytes()
            wait_until(lambda before=before: path.read_bytes() != before, "a change")
            with pytest.raises(FileError) as error:
                host.write("f", b"mine", IF_MATCH, match=etag)
            assert error.value.code == CONFLICT
    finally:
        writer.kill()
        writer.wait()


def test_hard_links_are_not_written_through(files: Files):
    host, workspace = files
    (workspace / "f").write_text("old")
    os.link(workspace / "f", workspace / "g")
    host.write("f", b"new")
    assert (workspace / "g").read_text() == "old"


def test_nothing_is_seen_before_the_end_and_nothing_after_an_abort(files: Files):
    host, workspace = files
    (workspace / "f").write_text("old")
    request = host.write_begin("f")
    host.send(DATA, request, b"new" * 1000)
    host.list()
    assert (workspace / "f").read_text() == "old"
    assert set(host.dir("")[0]) == {b"f"}
    host.send(ABORT, request)
    with pytest.raises(FileError) as error:
        host.reply(request)
    assert error.value.code == ABORTED
    assert (workspace / "f").read_text() == "old"
    assert leftovers(workspace) == []


def test_a_write_whose_host_goes_leaves_nothing(start_agent: StartAgent):
    agent = start_agent()
    with agent.host() as host:
        request = host.write_begin("f")
        host.send(DATA, request, b"half")
        host.list()
    wait_until(lambda: leftovers(agent.workspace) == [], "the temporary file's end")
    assert not (agent.workspace / "f").exists()


def test_announced_and_sent_sizes_must_agree(files: Files):
    host, workspace = files
    for size, data in ((5, b"1234"), (3, b"1234")):
        request = host.write_begin("f", size=size)
        host.send(DATA, request, data)
        with pytest.raises(FileError) as error:
            host.write_end(request)
        assert error.value.code == INVALID
    assert list(workspace.iterdir()) == []


def test_a_killed_agents_temporary_files_are_swept_by_the_next(start_agent: StartAgent):
    agent = start_agent()
    (agent.workspace / "deep/er").mkdir(parents=True)
    host = agent.host()
    host.send(DATA, host.write_begin("deep/er/f"), b"half")
    host.list()
    assert len(leftovers(agent.workspace)) == 1
    other = start_agent(name="second agent")
    with other.host() as second:
        second.list()
        time.sleep(0.1)
        assert len(leftovers(agent.workspace)) == 1, "one that is being written is left alone"
    agent.process.kill()
    agent.process.wait()
    host.close()
    third = start_agent(name="third agent")
    wait_until(lambda: leftovers(third.workspace) == [], "a swept workspace")


def test_folders_are_listed_in_order_and_in_pages(files: Files):
    host, workspace = files
    names = [*sorted(os.fsencode(f"{i:03}-\xff") for i in range(250)), b"z\xff"]
    for name in names:
        Path(os.fsdecode(os.fsencode(workspace) + b"/" + name)).touch()
    got: list[bytes] = []
    more = True
    while more:
        page, more = host.dir("", after=got[-1] if got else b"", limit=100)
        got += page
    assert got == sorted(names)
    with pytest.raises(FileError):
        host.dir("", limit=0)
    with pytest.raises(FileError):
        host.dir("", limit=1001)


def test_each_kind_of_thing_is_told(files: Files):
    host, workspace = files
    (workspace / "file").write_text("x")
    (workspace / "dir").mkdir(mode=0o711)
    (workspace / "link").symlink_to("no/where")
    os.mkfifo(workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(workspace / "sock"))
    found = host.dir("")[0]
    assert {name: entry.type for name, entry in found.items()} == {
        b"file": 1,
        b"dir": 2,
        b"link": 3,
        b"pipe": 4,
        b"sock": 4,
    }
    assert found[b"link"].target == b"no/where"
    assert [entry.etag != "" for entry in found.values()] == [name == b"file" for name in found]
    assert host.stat("").type == host.stat(".").type == host.stat("dir/..").type == 2
    for name in ("pipe", "sock"):
        with pytest.raises(FileError) as error:
            host.read(name)
        assert error.value.code == NOT_A_FILE
        with pytest.raises(FileError) as error:
            host.write(name, b"x")
        assert error.value.code == NOT_A_FILE


def test_errors_have_names(files: Files):
    host, workspace = files
    (workspace / "dir").mkdir()
    (workspace / "dir/f").write_text("")
    (workspace / "loop").symlink_to("loop")
    cases = [
        (lambda: host.stat("no"), NOT_FOUND),
        (lambda: host.read("no"), NOT_FOUND),
        (lambda: host.read("dir"), IS_DIRECTORY),
        (lambda: host.write("dir", b""), IS_DIRECTORY),
        (lambda: host.write("", b""), IS_DIRECTORY),
        (lambda: host.write("dir/f/g", b""), NOT_DIRECTORY),
        (lambda: host.read("dir/f/g"), NOT_DIRECTORY),
        (lambda: host.dir("dir/f"), NOT_DIRECTORY),
        (lambda: host.read("loop"), LOOP),
        (lambda: host.write("loop", b""), LOOP),
        (lambda: host.delete("dir"), NOT_EMPTY),
        (lambda: host.delete("no"), NOT_FOUND),
        (lambda: host.delete(""), INVALID),
        (lambda: host.delete("dir/.."), INVALID),
        (lambda: host.delete("dir", match="x"), INVALID),
        (lambda: host.mkdir("dir"), EXISTS),
        (lambda: host.mkdir("a/b"), NOT_FOUND),
        (lambda: host.write("f", b"", CREATE_ONLY | IF_MATCH), INVALID),
        (lambda: host.write("f", b"", mode=0o10000), INVALID),
        (lambda: host.stat("x" * 256), INVALID),
        (lambda: host.stat("x/" * 2048), INVALID),
        (lambda: host.read("dir/f", 2**63), INVALID),
    ]
    for i, (call, code) in enumerate(cases):
        with pytest.raises(FileError) as error:
            call()
        assert error.value.code == code, i


def test_folders_are_made(files: Files):
    host, workspace = files
    assert host.mkdir("a", mode=0o700)
    assert stat.S_IMODE((workspace / "a").stat().st_mode) == 0o700
    assert host.mkdir("b/c/d", 1)
    assert not host.mkdir("b/c/d", 1 | 2)
    (workspace / "f").write_text("")
    with pytest.raises(FileError) as error:
        host.mkdir("f", 2)
    assert error.value.code == EXISTS


def test_files_links_and_empty_folders_are_deleted(files: Files):
    host, workspace = files
    (workspace / "f").write_text("")
    (workspace / "link").symlink_to("f")
    (workspace / "dir").mkdir()
    host.delete("link")
    assert (workspace / "f").exists()
    host.delete("f")
    host.delete("dir")
    assert list(workspace.iterdir()) == []


def test_a_conditional_delete_needs_the_current_etag(files: Files):
    host, workspace = files
    etag = host.write("f", b"1")[1].etag
    (workspace / "f").write_bytes(b"2")
    with pytest.raises(FileError) as error:
        host.delete("f", match=etag)
    assert error.value.code == CONFLICT
    assert (workspace / "f").read_bytes() == b"2"
    host.delete("f", match=error.value.etag)
    assert list(workspace.iterdir()) == []


def test_a_deep_and_wide_tree_is_deleted(files: Files):
    host, workspace = files
    here = os.open(workspace, os.O_DIRECTORY)
    top = os.dup(here)
    os.mkdir("tree", dir_fd=here)
    deeper = os.open("tree", os.O_DIRECTORY, dir_fd=here)
    for _ in range(1500):  # far deeper than any path
        os.mkdir("d", dir_fd=deeper)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=deeper))
        os.symlink("/", "l", dir_fd=deeper)
        below = os.open("d", os.O_DIRECTORY, dir_fd=deeper)
        os.close(deeper)
        deeper = below
    for i in range(3000):
        os.close(os.open(f"file {i}", os.O_CREAT | os.O_WRONLY, dir_fd=deeper))
    for fd in (here, top, deeper):
        os.close(fd)
    host.delete("tree", recursive=True)
    assert list(workspace.iterdir()) == []


def test_a_read_is_sent_only_as_far_as_its_window(files: Files):
    host, workspace = files
    (workspace / "f").write_bytes(b"0123456789")
    request = host.request()
    host.send(READ, request, text("f") + struct.pack(">QQQ", 0, FOREVER, 4))
    host.reply(request)
    assert host.reply(request).payload == b"0123"
    with pytest.raises(TimeoutError):
        host.receive(0.2)
    host.send(FILE_WINDOW, request, struct.pack(">Q", 100))
    assert host.reply(request).payload == b"456789"
    assert host.reply(request).payload == b"\1\0"


def test_a_file_that_changes_while_it_is_read_is_told(files: Files):
    host, workspace = files
    (workspace / "f").write_bytes(b"0123456789")
    request = host.request()
    host.send(READ, request, text("f") + struct.pack(">QQQ", 0, FOREVER, 4))
    host.reply(request)
    host.reply(request)
    (workspace / "f").write_bytes(b"abcdefghij")
    host.send(FILE_WINDOW, request, struct.pack(">Q", 100))
    host.reply(request)
    assert host.reply(request).payload == b"\1\1"


def test_reading_a_large_file_does_not_hold_up_others(host: Channel, agent: Agent):
    with (agent.workspace / "big").open("wb") as file:
        file.truncate(1 << 30)
    request = host.request()
    host.send(READ, request, text("big") + struct.pack(">QQQ", 0, FOREVER, FOREVER))
    with agent.host() as other:
        began = time.monotonic()
        for handle in range(1, 11):
            other.run(handle, ["/bin/true"])
        assert time.monotonic() - began < 2
    assert agent.rss_bytes() < 100 << 20


def test_without_a_workspace_file_requests_say_so(binary: Path, tmp_path: Path, start_agent: StartAgent):
    from agent_wire import connect

    path = tmp_path / "s"
    process = subprocess.Popen([str(binary), "--socket", str(path)])
    try:
        wait_until(path.exists, "the socket")
        with connect(path) as host:
            host.hello()
            host.auth(bytes(32), claim=True)
            with pytest.raises(FileError) as error:
                host.stat("")
            assert error.value.code == 18
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "/",
        "up",
        "up/etc",
        "absolute",
        "inside/../../x",
        "chain",
        "dir-up/x",
    ],
)
def test_no_path_and_no_link_leads_outside(files: Files, path: str):
    host, workspace = files
    (workspace.parent / "x").write_text("secret")
    (workspace / "a").mkdir()
    (workspace / "up").symlink_to("../..")
    (workspace / "absolute").symlink_to("/etc/passwd")
    (workspace / "inside").symlink_to("a")
    (workspace / "chain").symlink_to("inside/../up")
    (workspace / "dir-up").symlink_to("..")
    for use in (
        lambda: host.stat(path, follow=True),
        lambda: host.read(path),
        lambda: host.write(path, b"gotcha"),
        lambda: host.write(path, b"gotcha", PARENTS),
        lambda: host.dir(path),
        lambda: host.delete(path + "/x", recursive=True),
        lambda: host.mkdir(path + "/x", 1),
    ):
        with pytest.raises(FileError) as error:
            use()
        assert error.value.code == OUTSIDE
    assert (workspace.parent / "x").read_text() == "secret"


def test_links_that_stay_inside_are_followed(files: Files):
    host, workspace = files
    (workspace / "a/b").mkdir(parents=True)
    (workspace / "a/b/f").write_text("x")
    (workspace / "link").symlink_to("a/b/../b/./f")
    (workspace / "a/b/up").symlink_to("../../link")
    (workspace / "folder").symlink_to("a/b/")
    assert host.read("link")[1] == host.read("a/b/up")[1] == host.read("folder/f")[1] == b"x"
    host.write("a/b/up", b"through")
    assert (workspace / "a/b/f").read_text() == "through"
    assert (workspace / "link").is_symlink()
    (workspace / "fresh").symlink_to("a/new")
    assert host.write("fresh", b"new")[0]
    assert (workspace / "a/new").read_text() == "new"
    assert host.stat("link").type == 3
    assert host.stat("link", follow=True).type == 1
