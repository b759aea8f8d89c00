"""WATCH: changes as they happen, numbered, so that whoever comes back misses nothing or is told so."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import batch_wire
from agent_process import Agent, StartAgent, wait_until
from agent_wire import ABORT, CREATE_ONLY, IF_MATCH, INVALID, NOT_FOUND, OUTSIDE, Channel, FileError, text
from batch_wire import Op, batch

WATCH, CHANGES = 0x50, 0x51
CREATED, MODIFIED, DELETED, MOVED = 1, 2, 3, 4
RESCAN, PARTIAL = 1, 2
WAIT_MS = 10_000

Change = tuple[int, bytes, bytes]


@dataclass
class Page:
    watch: int
    cursor: int
    flags: int
    changes: list[Change]
    types: list[int]


def ask(
    host: Channel,
    path: str | bytes = "",
    *,
    watch: int = 0,
    after: int = 0,
    wait_ms: int = 0,
    debounce_ms: int = 0,
    recursive: bool = True,
    limit: int = 1000,
) -> int:
    request = host.request()
    numbers = struct.pack(">IQQIII", recursive, watch, after, wait_ms, debounce_ms, limit)
    host.send(WATCH, request, text(path) + numbers)
    return request


def answer(host: Channel, request: int) -> Page:
    got = host.reply(request)
    assert got.type == CHANGES
    f = got.fields
    page = Page(f.u64(), f.u64(), f.u8(), [], [])
    for _ in range(f.u16()):
        kind, of = f.u8(), f.u8()
        page.changes.append((kind, f.string(), f.string()))
        page.types.append(of)
    f.end()
    return page


@dataclass
class Watcher:
    """Follows a folder and remembers all that it was told."""

    host: Channel
    path: str | bytes = ""
    recursive: bool = True
    debounce_ms: int = 0

    def __post_init__(self) -> None:
        first = answer(
            self.host,
            ask(self.host, self.path, recursive=self.recursive, debounce_ms=self.debounce_ms),
        )
        assert (first.changes, first.flags) == ([], 0)
        self.watch, self.cursor = first.watch, first.cursor
        self.seen: list[Change] = []

    def page(self, wait_ms: int = WAIT_MS, limit: int = 1000) -> Page:
        request = ask(
            self.host,
            self.path,
            watch=self.watch,
            after=self.cursor,
            wait_ms=wait_ms,
            recursive=self.recursive,
            limit=limit,
        )
        page = answer(self.host, request)
        self.watch, self.cursor = page.watch, page.cursor
        self.seen += page.changes
        return page

    def until(self, *wanted: Change) -> None:
        """Read until all of these were told."""
        until = time.monotonic() + WAIT_MS / 1000
        while missing := [change for change in wanted if change not in self.seen]:
            assert time.monotonic() < until, f"never told {missing}; but {self.seen}"
            self.page(1000)


@pytest.fixture(params=["kernel", "by hand"])
def lab(request: pytest.FixtureRequest, start_agent: StartAgent) -> Iterator[tuple[Channel, Path]]:
    options = [] if request.param == "kernel" else ["--no-openat2", "--no-renameat2"]
    agent = start_agent(*options)
    with agent.host() as channel:
        yield channel, agent.workspace


Lab = tuple[Channel, Path]


def test_an_agent_says_that_it_can_watch(host: Channel):
    assert "watch" in host.features


def test_what_processes_create_change_and_delete_is_told_in_order(lab: Lab):
    host, workspace = lab
    watcher = Watcher(host)
    (workspace / "a").write_text("1")
    watcher.until((CREATED, b"a", b""))
    (workspace / "a").write_text("22")
    watcher.until((MODIFIED, b"a", b""))
    (workspace / "a").unlink()
    watcher.until((DELETED, b"a", b""))
    kinds = [kind for kind, path, _ in watcher.seen if path == b"a"]
    assert (kinds[0], kinds[-1]) == (CREATED, DELETED)
    assert set(kinds[1:-1]) == {MODIFIED}


def test_a_wait_ends_with_the_first_change_and_otherwise_with_its_time(lab: Lab):
    host, workspace = lab
    watcher = Watcher(host)
    begun = time.monotonic()
    assert watcher.page(100).changes == []
    assert time.monotonic() - begun >= 0.1
    request = ask(host, watch=watcher.watch, after=watcher.cursor, wait_ms=WAIT_MS)
    (workspace / "x").mkdir()
    page = answer(host, request)
    assert (page.changes, page.types) == ([(CREATED, b"x", b"")], [2])


def test_the_agents_own_writes_are_created_or_modified_and_nothing_else(lab: Lab):
    host, workspace = lab
    (workspace / "old").write_text("old")
    watcher = Watcher(host)
    host.write("new", b"1")
    host.write("old", b"2")
    etag = host.stat("old").etag
    host.write("old", b"3", IF_MATCH, match=etag)
    host.write("only", b"4", CREATE_ONLY)
    host.delete("new")
    host.mkdir("folder")
    watcher.until((MODIFIED, b"old", b""), (CREATED, b"only", b""), (CREATED, b"folder", b""))
    told = [change for change in watcher.seen if change[1] not in {b"new", b"old"}]
    assert told == [(CREATED, b"only", b""), (CREATED, b"folder", b"")]
    assert {kind for kind, path, _ in watcher.seen if path == b"old"} == {MODIFIED}
    assert [kind for kind, path, _ in watcher.seen if path == b"new"] in ([], [CREATED, DELETED])


def test_a_batch_is_told_by_its_files_and_not_by_how_it_is_done(lab: Lab):
    host, workspace = lab
    (workspace / "d").mkdir()
    for name in ("old", "d/gone", "d/from"):
        (workspace / name).write_text("old")
    watcher = Watcher(host)
    batch(
        host,
        [
            Op(batch_wire.WRITE, "old", b"1"),
            Op(batch_wire.WRITE, "d/new", b"2"),
            Op(batch_wire.DELETE, "d/gone"),
            Op(batch_wire.MOVE, "d/from", other="to"),
            Op(batch_wire.MKDIR, "made"),
            Op(batch_wire.WRITE, "made/f", b"3"),
        ],
    )
    if "exchange" not in host.features:
        # Done by second names, a move looks like two changes.
        watcher.until((MODIFIED, b"old", b""), (CREATED, b"made/f", b""), (CREATED, b"to", b""))
        return
    watcher.until((MODIFIED, b"old", b""), (CREATED, b"made/f", b""), (MOVED, b"to", b"d/from"))
    assert sorted(watcher.seen) == sorted(
        [
            (MODIFIED, b"old", b""),
            (CREATED, b"d/new", b""),
            (DELETED, b"d/gone", b""),
            (MOVED, b"to", b"d/from"),
            (CREATED, b"made", b""),
            (CREATED, b"made/f", b""),
        ]
    )


def test_a_recursive_delete_by_the_agent_is_the_folders_deletion(lab: Lab):
    host, workspace = lab
    (workspace / "d/e").mkdir(parents=True)
    (workspace / "d/e/f").write_text("x")
    watcher = Watcher(host)
    host.delete("d", recursive=True)
    watcher.until((DELETED, b"d", b""))
    assert {path.split(b"/")[0] for _, path, _ in watcher.seen} == {b"d"}
    (workspace / "d").mkdir()
    watcher.until((CREATED, b"d", b""))


def test_moves_are_told_with_both_names_and_their_folders_are_followed(lab: Lab):
    host, workspace = lab
    (workspace / "a/deep").mkdir(parents=True)
    (workspace / "a/deep/f").write_text("1")
    watcher = Watcher(host)
    (workspace / "a").rename(workspace / "b")
    watcher.until((MOVED, b"b", b"a"))
    (workspace / "b/deep/f").write_text("2")
    watcher.until((MODIFIED, b"b/deep/f", b""))
    (workspace / "b/deep").rename(workspace / "deep")
    (workspace / "deep/g").write_text("3")
    watcher.until((MOVED, b"deep", b"b/deep"), (CREATED, b"deep/g", b""))


def test_what_is_moved_out_is_deleted_and_what_is_moved_in_is_created_with_all_in_it(
    lab: Lab, tmp_path: Path
):
    host, workspace = lab
    outside = tmp_path / "elsewhere"
    (workspace / "d/e").mkdir(parents=True)
    watcher = Watcher(host)
    (workspace / "d").rename(outside)
    watcher.until((DELETED, b"d", b""))
    (outside / "e/secret").write_text("not ours any more")
    (outside / "e/secret").unlink()
    (outside / "e/kept").write_text("x")
    outside.rename(workspace / "back")
    watcher.until((CREATED, b"back", b""), (CREATED, b"back/e", b""), (CREATED, b"back/e/kept", b""))
    assert not any(b"secret" in path for _, path, _ in watcher.seen)
    (workspace / "back/e/kept").write_text("y")
    watcher.until((MODIFIED, b"back/e/kept", b""))


def test_a_tree_that_grows_faster_than_it_is_followed_is_told_whole(lab: Lab):
    host, workspace = lab
    watcher = Watcher(host)
    script = "for i in $(seq 40); do mkdir -p t/$i/a/b/c; echo x > t/$i/a/b/c/f; done"
    subprocess.run(["sh", "-c", script], cwd=workspace, check=True)
    wanted = [(CREATED, f"t/{i}/a/b/c/f".encode(), b"") for i in range(1, 41)]
    watcher.until(*wanted)
    told = [path for kind, path, _ in watcher.seen if kind == CREATED]
    assert len(told) == len(set(told)), "each is new once"


def test_without_recursion_only_the_folder_itself_is_told_of(lab: Lab):
    host, workspace = lab
    (workspace / "d").mkdir()
    watcher = Watcher(host, recursive=False)
    (workspace / "d/inner").write_text("x")
    (workspace / "outer").write_text("x")
    watcher.until((CREATED, b"outer", b""))
    assert not any(path.startswith(b"d/") for _, path, _ in watcher.seen)


def test_a_single_file_is_watched_by_its_name(lab: Lab):
    host, workspace = lab
    (workspace / "d").mkdir()
    (workspace / "d/f").write_text("1")
    (workspace / "d/other").write_text("1")
    watcher = Watcher(host, "d/f")
    (workspace / "d/other").write_text("2")
    host.write("d/f", b"2")
    watcher.until((MODIFIED, b"", b""))
    (workspace / "d/f").rename(workspace / "d/g")
    watcher.until((DELETED, b"", b""))
    (workspace / "d/other").rename(workspace / "d/f")
    watcher.until((CREATED, b"", b""))
    assert {path for _, path, _ in watcher.seen} == {b""}


def test_repeated_changes_within_the_debounce_are_one(lab: Lab):
    host, workspace = lab
    (workspace / "log").write_text("")
    watcher = Watcher(host, debounce_ms=150)
    for number in range(200):
        with (workspace / "log").open("a") as log:
            log.write(f"{number}\n")
    (workspace / "gone").write_text("x")
    (workspace / "gone").unlink()
    (workspace / "draft").write_text("x")
    (workspace / "draft").rename(workspace / "final")
    watcher.until((MODIFIED, b"log", b""), (CREATED, b"final", b""))
    assert len([path for _, path, _ in watcher.seen if path == b"log"]) <= 3
    assert not any(path in {b"gone", b"draft"} for _, path, _ in watcher.seen)


def test_any_number_of_readers_get_the_same_changes_and_one_that_comes_back_misses_nothing(agent: Agent):
    with agent.host() as first:
        watcher = Watcher(first)
        mark = watcher.cursor
        (agent.workspace / "a").mkdir()
        watcher.until((CREATED, b"a", b""))
    (agent.workspace / "b").mkdir()
    with agent.host() as second:
        other = Watcher(second)
        other.watch, other.cursor = watcher.watch, mark
        other.until((CREATED, b"a", b""), (CREATED, b"b", b""))
        assert other.seen == [(CREATED, b"a", b""), (CREATED, b"b", b"")]


def test_pages_are_limited_and_go_on_where_the_last_ended(lab: Lab):
    host, workspace = lab
    watcher = Watcher(host)
    for number in range(25):
        (workspace / f"{number:02}").mkdir()
    while len(watcher.seen) < 25:
        page = watcher.page(1000, limit=10)
        assert len(page.changes) <= 10
    assert [path for _, path, _ in watcher.seen] == [f"{number:02}".encode() for number in range(25)]


def test_a_cursor_of_another_life_or_of_another_folder_says_that_all_must_be_looked_at_anew(lab: Lab):
    host, workspace = lab
    (workspace / "d").mkdir()
    watcher = Watcher(host)
    for path, watch in (("", watcher.watch ^ 2), ("d", watcher.watch)):
        page = answer(host, ask(host, path, watch=watch, after=7))
        assert (page.flags, page.changes) == (RESCAN, [])
        assert page.watch != watch


def test_more_changes_than_are_kept_are_said_to_be_missed(agent: Agent):
    with agent.host() as host:
        watcher = Watcher(host)
        script = 'i=0; while [ $i -lt 3000 ]; do mkdir "$1$i" || exit 1; i=$((i+1)); done'
        subprocess.run(["sh", "-c", script, "sh", "x" * 200], cwd=agent.workspace, check=True)
        (agent.workspace / "last").mkdir()
        flags = 0
        until = time.monotonic() + 20
        while not flags & RESCAN:
            assert time.monotonic() < until
            flags |= watcher.page(100).flags
        (agent.workspace / "after").mkdir()
        watcher.until((CREATED, b"after", b""))
        assert agent.rss_bytes() < 16 * 1024 * 1024


def test_a_watched_folder_that_goes_is_said_to_have_gone(lab: Lab):
    host, workspace = lab
    (workspace / "d").mkdir()
    watcher = Watcher(host, "d")
    request = ask(host, "d", watch=watcher.watch, after=watcher.cursor, wait_ms=WAIT_MS)
    (workspace / "d").rmdir()
    with pytest.raises(FileError) as error:
        answer(host, request)
    assert error.value.code == NOT_FOUND
    (workspace / "d").mkdir()
    assert answer(host, ask(host, "d", watch=watcher.watch, after=watcher.cursor)).flags == RESCAN


def test_names_that_are_no_text_come_as_they_are(lab: Lab):
    host, workspace = lab
    watcher = Watcher(host)
    name = b"\xff\xfe new\nline"
    (workspace / os.fsdecode(name)).mkdir()
    watcher.until((CREATED, name, b""))


def test_links_are_not_followed(lab: Lab, tmp_path: Path):
    host, workspace = lab
    (tmp_path / "outside").mkdir()
    (workspace / "link").symlink_to(tmp_path / "outside")
    watcher = Watcher(host)
    (tmp_path / "outside/f").write_text("x")
    (workspace / "mark").mkdir()
    watcher.until((CREATED, b"mark", b""))
    assert watcher.seen == [(CREATED, b"mark", b"")]
    with pytest.raises(FileError) as error:
        answer(host, ask(host, "link"))
    assert error.value.code == OUTSIDE


@pytest.mark.parametrize(
    ("path", "more", "code"),
    [
        ("absent", {}, NOT_FOUND),
        ("../x", {}, OUTSIDE),
        ("", {"limit": 0}, INVALID),
        ("", {"limit": 1001}, INVALID),
        ("", {"debounce_ms": 10_001}, INVALID),
    ],
)
def test_what_cannot_be_watched_is_refused_exactly(host: Channel, path: str, more: dict[str, int], code: int):
    with pytest.raises(FileError) as error:
        answer(host, ask(host, path, limit=more.get("limit", 10), debounce_ms=more.get("debounce_ms", 0)))
    assert error.value.code == code


def test_more_watches_than_are_allowed_at_once_are_refused_and_old_ones_make_room(agent: Agent):
    for number in range(20):
        (agent.workspace / str(number)).mkdir()
    with agent.host() as host:
        idle = Watcher(host, "19")
        waiting: list[int] = []
        for number in range(8):
            page = answer(host, ask(host, str(number)))
            waiting.append(ask(host, str(number), watch=page.watch, after=page.cursor, wait_ms=60_000))
        assert host.list() == {}  # all of them were taken up
        with pytest.raises(FileError) as error:
            answer(host, ask(host, "10"))
        assert error.value.code == 24
        before = agent.descriptors()
        host.send(ABORT, waiting[0])
        with pytest.raises(FileError):
            answer(host, waiting[0])
        assert answer(host, ask(host, "19", watch=idle.watch, after=idle.cursor)).flags == RESCAN
        assert agent.descriptors() == before


def test_a_busy_tree_keeps_nobody_waiting(agent: Agent):
    """Requests are answered while a large tree is looked through and changes come in masses."""
    for number in range(300):
        (agent.workspace / f"{number}").mkdir()
        for inner in range(5):
            (agent.workspace / f"{number}/{inner}").mkdir()
    with agent.host() as host:
        request = ask(host)
        begun = time.monotonic()
        host.stat("1/1")
        assert time.monotonic() - begun < 1.0
        page = answer(host, request)
        storm = subprocess.Popen(
            ["sh", "-c", "i=0; while [ $i -lt 2000 ]; do echo $i > 1/f$i; rm 1/f$i; i=$((i+1)); done"],
            cwd=agent.workspace,
        )
        wait_until(lambda: storm.poll() is not None, "the storm")
        assert (
            answer(host, ask(host, watch=page.watch, after=page.cursor, wait_ms=1000)).cursor >= page.cursor
        )


def test_a_folder_that_moves_before_it_was_looked_through_is_followed_where_it_is(lab: Lab):
    host, workspace = lab
    watcher = Watcher(host)
    for number in range(50):
        script = f"mkdir a{number} && echo 1 > a{number}/f && mv a{number} b{number}"
        subprocess.run(["sh", "-c", script], cwd=workspace, check=True)
    for number in range(50):
        (workspace / f"b{number}/g").mkdir()
        watcher.until((CREATED, f"b{number}/g".encode(), b""))
        assert {path for kind, path, _ in watcher.seen if kind == CREATED} & {
            f"{folder}{number}/f".encode() for folder in "ab"
        }


@contextmanager
def stopped(agent: Agent) -> Generator[None]:
    """All that happens within is told to the agent at once, after the last of it."""
    os.kill(agent.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(agent.process.pid, signal.SIGCONT)


def test_a_folder_that_came_into_one_that_has_moved_since_is_followed_where_it_is(agent: Agent):
    (agent.workspace / "p").mkdir()
    with agent.host() as host:
        watcher = Watcher(host)
        with stopped(agent):
            (agent.workspace / "p/c").mkdir()
            (agent.workspace / "p/c/f").touch()
            (agent.workspace / "p").rename(agent.workspace / "q")
        watcher.until((MOVED, b"q", b"p"), (CREATED, b"q/c/f", b""))
        (agent.workspace / "q/c/g").touch()
        watcher.until((CREATED, b"q/c/g", b""))


def test_a_folder_that_took_the_name_of_one_that_moved_is_not_mistaken_for_it(agent: Agent):
    with agent.host() as host:
        watcher = Watcher(host)
        with stopped(agent):
            (agent.workspace / "x").mkdir()
            (agent.workspace / "x/old").touch()
            (agent.workspace / "x").rename(agent.workspace / "y")
            (agent.workspace / "x").mkdir()
            (agent.workspace / "x/new").touch()
        watcher.until((CREATED, b"y/old", b""), (CREATED, b"x/new", b""))
        for name in ("x", "y"):
            (agent.workspace / name / "later").touch()
        watcher.until((CREATED, b"x/later", b""), (CREATED, b"y/later", b""))
        assert not {path for _, path, _ in watcher.seen} & {b"x/old", b"y/new"}


def test_folders_that_move_while_the_tree_is_looked_through_are_followed(agent: Agent):
    count = 1000
    for number in range(count):
        (agent.workspace / f"a{number}/s").mkdir(parents=True)
    with agent.host() as host:
        request = ask(host)
        with stopped(agent):
            for number in reversed(range(count)):
                (agent.workspace / f"a{number}").rename(agent.workspace / f"b{number}")
        page = answer(host, request)
        for number in range(count):
            (agent.workspace / f"b{number}/s/f").touch()
        missing = {f"b{number}/s/f".encode() for number in range(count)}
        until = time.monotonic() + WAIT_MS / 1000
        while missing:
            assert time.monotonic() < until, f"{len(missing)} were never told, such as {min(missing)}"
            page = answer(host, ask(host, watch=page.watch, after=page.cursor, wait_ms=1000))
            missing -= {path for kind, path, _ in page.changes if kind == CREATED}
