from __future__ import annotations

import os
import random
import signal
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_process import Agent, StartAgent, wait_until
from agent_wire import (
    ABORT,
    CONFLICT,
    EXISTS,
    INVALID,
    IS_DIRECTORY,
    NOT_DIRECTORY,
    NOT_EMPTY,
    NOT_FOUND,
    OUTSIDE,
    Channel,
    Closed,
    text,
)
from agent_wire import DATA as DATA_FRAME
from agent_wire import STAT as STAT_FRAME
from agent_wire import WRITE as WRITE_FRAME
from agent_wire import WRITE_END as WRITE_END_FRAME
from batch_wire import (
    BATCH_END,
    BATCH_OP,
    CREATE,
    DELETE,
    DRESS,
    DURABLE,
    HARD_LINK,
    LINK,
    MAY_EXIST,
    MKDIR,
    MOVE,
    NO_FOLLOW,
    QUIET,
    RECURSIVE,
    REPLACE,
    WRITE,
    Op,
    Refused,
    answer,
    batch,
    begin,
    end,
    op_payload,
    send,
)

Files = tuple[Channel, Path]
OPTIONS = {"kernel": (), "by hand": ("--no-openat2", "--no-renameat2")}


@pytest.fixture(params=list(OPTIONS))
def files(request: pytest.FixtureRequest, start_agent: StartAgent) -> Iterator[Files]:
    agent = start_agent(*OPTIONS[request.param])
    with agent.host() as channel:
        assert "batch" in channel.features
        yield channel, agent.workspace


def picture(workspace: Path) -> dict[str, object]:
    """Everything that a process inside could see, in the moment."""
    seen: dict[str, object] = {}
    for path in sorted(workspace.rglob("*")):
        name = str(path.relative_to(workspace))
        mode = path.lstat().st_mode & 0o7777
        if path.is_symlink():
            seen[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            seen[name] = ("folder", mode)
        else:
            seen[name] = ("file", mode, path.read_bytes())
    return seen


def prepare(workspace: Path) -> None:
    (workspace / "keep").write_text("keep")
    (workspace / "change").write_text("old")
    (workspace / "change").chmod(0o750)
    (workspace / "gone").write_text("gone")
    (workspace / "from").write_text("moved")
    (workspace / "over").write_text("over")
    (workspace / "onto").write_text("onto")
    (workspace / "tree/deep").mkdir(parents=True)
    (workspace / "tree/deep/f").write_text("f")
    (workspace / "empty").mkdir()


EVERYTHING = [
    Op(WRITE, "change", b"new"),
    Op(MKDIR, "made"),
    Op(MKDIR, "made/below", mode=0o555),
    Op(WRITE, "made/first", b"1", mode=0o640, mtime_ns=1_500_000_000_123_456_789),
    Op(DELETE, "gone"),
    Op(WRITE, "gone", b"again"),
    Op(MOVE, "from", other="made/to"),
    Op(MOVE, "over", other="onto", flags=REPLACE),
    Op(DELETE, "tree", flags=RECURSIVE),
    Op(DELETE, "empty"),
    Op(LINK, "link", other="made/first"),
    Op(HARD_LINK, "made/second", size=3),
    Op(DRESS, "made", mode=0o700, mtime_ns=1_400_000_000_000_000_000),
]

AFTER = {
    "keep": ("file", 0o644, b"keep"),
    "change": ("file", 0o750, b"new"),
    "gone": ("file", 0o644, b"again"),
    "onto": ("file", 0o644, b"over"),
    "made": ("folder", 0o700),
    "made/below": ("folder", 0o555),
    "made/first": ("file", 0o640, b"1"),
    "made/second": ("file", 0o640, b"1"),
    "made/to": ("file", 0o644, b"moved"),
    "link": ("link", "made/first"),
}


def test_every_kind_of_change_in_one_batch(files: Files):
    host, workspace = files
    prepare(workspace)
    results = batch(host, EVERYTHING)
    assert picture(workspace) == AFTER
    assert len(results) == len(EVERYTHING)
    created = [made for made, _ in results]
    assert created == [False, True, True, True, False, True, False, False, False, False, True, True, False]
    assert results[0][1] == host.stat("change")
    assert results[3][1] == host.stat("made/first")
    assert results[6][1] == host.stat("made/to")
    assert (workspace / "made/first").stat().st_mtime_ns == 1_500_000_000_123_456_789
    assert (workspace / "made").stat().st_mtime_ns == 1_400_000_000_000_000_000
    assert (workspace / "made/first").stat().st_ino == (workspace / "made/second").stat().st_ino


def test_a_durable_batch_does_the_same(files: Files):
    host, workspace = files
    prepare(workspace)
    batch(host, EVERYTHING, DURABLE)
    assert picture(workspace) == AFTER


def test_a_quiet_batch_tells_only_that_it_is_done(files: Files):
    host, workspace = files
    assert batch(host, [Op(WRITE, "f", b"x")], QUIET) == []
    assert (workspace / "f").read_bytes() == b"x"


def test_an_empty_batch_is_fine(files: Files):
    host, workspace = files
    assert batch(host, []) == []
    assert picture(workspace) == {}


FAULTS = {
    "absent to delete": (Op(DELETE, "nothing"), NOT_FOUND),
    "a folder in the way": (Op(WRITE, "tree", b""), IS_DIRECTORY),
    "no folder on the way": (Op(WRITE, "no/f", b""), NOT_FOUND),
    "a file on the way": (Op(WRITE, "keep/f", b""), NOT_DIRECTORY),
    "taken": (Op(WRITE, "keep", b"", flags=CREATE), EXISTS),
    "taken by a folder": (Op(MKDIR, "tree"), EXISTS),
    "taken by a file": (Op(MKDIR, "keep", flags=MAY_EXIST), EXISTS),
    "not empty": (Op(DELETE, "tree"), NOT_EMPTY),
    "a target that is taken": (Op(MOVE, "keep", other="onto"), EXISTS),
    "a target that is a folder": (Op(MOVE, "keep", other="tree", flags=REPLACE), IS_DIRECTORY),
    "outside": (Op(WRITE, "../f", b""), OUTSIDE),
    "the workspace": (Op(DELETE, ".", flags=RECURSIVE), INVALID),
    "another etag": (Op(WRITE, "keep", b"", match="0" * 32), CONFLICT),
    "another etag to delete": (Op(DELETE, "keep", match="0" * 32), CONFLICT),
    "another etag to move": (Op(MOVE, "keep", other="new", match="0" * 32), CONFLICT),
    "an etag of nothing": (Op(WRITE, "nothing", b"", match="0" * 32), NOT_FOUND),
    "folder into itself": (Op(MOVE, "tree", other="tree/deep/x"), INVALID),
    "a second use": (Op(DELETE, "made/first", match="0" * 32), CONFLICT),
    "a second move": (Op(MOVE, "from", other="elsewhere"), NOT_FOUND),
    "content of no operation": (Op(HARD_LINK, "hard", size=99), INVALID),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_refused_batch_changes_nothing_and_says_which_operation(files: Files, fault: str):
    host, workspace = files
    prepare(workspace)
    before = picture(workspace)
    op, code = FAULTS[fault]
    with pytest.raises(Refused) as refused:
        batch(host, [*EVERYTHING[:4], Op(MOVE, "from", other="made/to"), op, Op(WRITE, "last", b"")])
    assert (refused.value.index, refused.value.code) == (5, code)
    if code == CONFLICT and fault != "a second use":
        assert refused.value.etag == host.stat("keep").etag
    wait_until(lambda: not list(workspace.glob(".dev*")), "nothing is left")
    assert picture(workspace) == before


def test_a_batch_that_fails_at_its_last_operation_is_undone_wholly(files: Files):
    host, workspace = files
    prepare(workspace)
    before = picture(workspace)
    times = {path: path.lstat().st_mtime_ns for path in workspace.rglob("*") if path.is_file()}
    # Only when its turn comes it is seen that it cannot be done.
    with pytest.raises(Refused) as refused:
        batch(host, [*EVERYTHING, Op(DELETE, "made/first"), Op(DELETE, "made/first")])
    assert (refused.value.index, refused.value.code) == (len(EVERYTHING) + 1, NOT_FOUND)
    assert picture(workspace) == before
    assert {path: path.lstat().st_mtime_ns for path in workspace.rglob("*") if path.is_file()} == times


def test_conditions_hold_and_etags_go_on(files: Files):
    host, workspace = files
    first = batch(host, [Op(WRITE, f"f{i}", b"a") for i in range(3)])
    second = batch(host, [Op(WRITE, f"f{i}", b"b", match=first[i][1].etag) for i in range(3)])
    assert [stat.etag for _, stat in second] == [host.stat(f"f{i}").etag for i in range(3)]
    (workspace / "f2").write_text("foreign")
    with pytest.raises(Refused) as refused:
        batch(host, [Op(WRITE, f"f{i}", b"c", match=second[i][1].etag) for i in range(3)])
    assert (refused.value.index, refused.value.code) == (2, CONFLICT)
    assert refused.value.etag == host.stat("f2").etag
    assert [(workspace / f"f{i}").read_text() for i in range(3)] == ["b", "b", "foreign"]


def test_no_foreign_change_is_lost_in_the_very_moment(agent: Agent):
    """Whatever somebody else puts there after the etag was taken is there in the end, whoever was first."""
    rng = random.Random(11)  # noqa: S311 - moments, no secrets
    workspace = agent.workspace
    refusals: list[Refused] = []
    with agent.host() as host:
        for round_ in range(150):
            ops = [Op(WRITE, f"f{i}", b"base") for i in range(20)]
            begun = time.monotonic()
            etag = batch(host, ops)[10][1].etag
            took_s = time.monotonic() - begun
            token = f"foreign {round_}"
            (workspace / "token").write_text(token)
            wait = rng.random() * 2 * took_s  # on a slow machine too before, in and after the batch

            def strike(wait: float = wait) -> None:
                time.sleep(wait)  # some moment of the batch, not a wait for one
                (workspace / "token").rename(workspace / "f10")

            thread = threading.Thread(target=strike)
            thread.start()
            ops[10] = Op(WRITE, "f10", b"mine", match=etag)
            try:
                batch(host, ops)
            except Refused as error:
                refusals.append(error)
            thread.join()
            assert (workspace / "f10").read_text() == token
    assert 0 < len(refusals) < 150
    assert {(error.index, error.code) for error in refusals} == {(10, CONFLICT)}


def test_links_are_followed_by_writes_only_when_asked(files: Files):
    host, workspace = files
    (workspace / "real").write_text("old")
    (workspace / "link").symlink_to("real")
    batch(host, [Op(WRITE, "link", b"new")])
    assert (workspace / "real").read_text() == "new"
    batch(host, [Op(WRITE, "link", b"own", flags=NO_FOLLOW)])
    assert not (workspace / "link").is_symlink()
    assert (workspace / "real").read_text() == "new"


def test_a_hundred_thousand_operations_in_little_memory(files: Files, start_agent: StartAgent):
    host, workspace = files
    pid = host.pid
    request = begin(host, QUIET)
    count = 100_000
    frames = bytearray()
    for i in range(count):
        op = Op(WRITE, f"d{i // 1000:03}/f{i}", b"") if i % 1000 else Op(MKDIR, f"d{i // 1000:03}")
        payload = op_payload(op)
        frames += struct.pack(">IBBI", len(payload), BATCH_OP, 0, request) + payload
    host.send_raw(bytes(frames), within_s=120)
    rss = [0]
    host.send(BATCH_END, request, struct.pack(">I", count))
    answer(host, request, count)
    rss.append(
        int(next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in x).split()[1])
    )
    assert sum(1 for _ in workspace.rglob("f*")) == count - 100
    assert max(rss) < 8 * 1024 or "DEVBENCH_AGENT_TEST_BINARY" in os.environ
    assert [path.name for path in workspace.iterdir() if path.name.startswith(".devbench")] == []


def test_others_wait_only_while_a_batch_is_carried_out(files: Files):
    host, workspace = files
    request = begin(host)
    for i in range(2000):
        send(host, request, Op(WRITE, f"f{i:04}", b"new"))
    # Between its parts, others see nothing of it.
    assert host.dir("")[0] == {}
    host.send(BATCH_END, request, struct.pack(">I", 2000))
    # Asked in one go with the end: whatever is answered, it is all or nothing of the batch.
    asked = [host.request() for _ in range(6)]
    for number in asked:
        host.send(STAT_FRAME, number, struct.pack(">I", 0) + text("f1999"))
    late = host.request()
    host.send(WRITE_FRAME, late, text("f0000") + struct.pack(">IIQ", 0, 2**32 - 1, 4) + text(""))
    host.send(DATA_FRAME, late, b"late")
    host.send(WRITE_END_FRAME, late)
    assert len(answer(host, request, 2000)) == 2000
    for number in asked:
        assert host.reply(number).type
    assert host.written(late)[0] is False
    assert (workspace / "f0000").read_bytes() == b"late"
    assert len(host.dir("", limit=1000)[0]) == 1000


def test_an_aborted_or_cut_off_batch_leaves_nothing(files: Files, tmp_path: Path):
    host, workspace = files
    request = begin(host)
    send(host, request, Op(WRITE, "f", b"x"))
    host.send(ABORT, request)
    with pytest.raises(Exception, match="aborted"):
        host.reply(request)
    wait_until(lambda: not list(workspace.iterdir()), "the staging folder is gone")


def test_a_batch_whose_channel_goes_away_leaves_nothing(agent: Agent):
    with agent.host() as channel:
        request = begin(channel)
        send(channel, request, Op(WRITE, "f", b"x" * 100_000))
        wait_until(lambda: list(agent.workspace.iterdir()), "it is staged")
    wait_until(lambda: not list(agent.workspace.iterdir()), "the staging folder is gone")


@pytest.mark.parametrize("after", ["too much data", "a wrong count", "nonsense"])
def test_what_does_not_parse_ends_the_channel_and_leaves_nothing(agent: Agent, after: str):
    with agent.host() as channel:
        request = begin(channel)
        send(channel, request, Op(WRITE, "f", b"x"))
        with pytest.raises(Closed):  # noqa: PT012 - it comes with whatever is read next
            if after == "too much data":
                channel.send(DATA_FRAME, request, b"more")
            elif after == "a wrong count":
                channel.send(BATCH_END, request, struct.pack(">I", 2))
            else:
                channel.send(BATCH_OP, request, b"\xff")
            while True:
                channel.reply(request)
    wait_until(lambda: not list(agent.workspace.iterdir()), "the staging folder is gone")


def big(generation: int, count: int = 400) -> list[Op]:
    """Each file changes its content, and half of them their name, so that a half batch shows."""
    ops: list[Op] = []
    for i in range(count):
        ops.append(Op(WRITE, f"f{i}", b"%d" % generation))
        if i % 4 == 1:
            ops.append(Op(MOVE, f"m{i}-{generation - 1}", other=f"m{i}-{generation}"))
        elif i % 4 == 2:
            ops.append(Op(DELETE, f"d{i}-{generation - 1}", flags=RECURSIVE))
            ops.append(Op(MKDIR, f"d{i}-{generation}"))
            ops.append(Op(WRITE, f"d{i}-{generation}/x", b""))
    return ops


def generation_of(workspace: Path) -> int:
    """All of one generation, or fail."""
    seen = {path.read_text() for path in workspace.glob("f*")}
    names = {path.name.rpartition("-")[2] for path in workspace.iterdir() if path.name[0] in "md"}
    assert len(seen) == 1, "a batch is there by half"
    assert names == seen
    assert [path for path in workspace.iterdir() if path.name.startswith(".")] == []
    return int(seen.pop())


@pytest.mark.parametrize("way", list(OPTIONS))
def test_an_agent_killed_at_any_moment_leaves_all_or_nothing(start_agent: StartAgent, way: str):
    rng = random.Random(3)  # noqa: S311 - moments, no secrets
    first = start_agent(*OPTIONS[way])
    workspace = first.workspace
    for i in range(400):
        (workspace / f"f{i}").write_text("0")
        if i % 4 == 1:
            (workspace / f"m{i}-0").write_text("")
        elif i % 4 == 2:
            (workspace / f"d{i}-0").mkdir()
            (workspace / f"d{i}-0/x").write_text("")
    generation, outcomes = 0, set[bool]()
    agent = first
    for round_ in range(24):
        host = agent.host()
        request = begin(host)
        ops = big(generation + 1)
        for op in ops:
            send(host, request, op)
        host.send(BATCH_END, request, struct.pack(">I", len(ops)))
        time.sleep(rng.random() * 0.03)  # some moment of the batch, not a wait for one
        os.kill(agent.pid, signal.SIGKILL)
        agent.process.wait()
        host.close()
        agent.socket.unlink(missing_ok=True)
        agent = start_agent(*OPTIONS[way], name=f"a{round_}")
        with agent.host() as channel:
            channel.stat("")  # waits for what is carried forward
        wait_until(lambda: not list(workspace.glob(".dev*")), "nothing is left over")
        now = generation_of(workspace)
        assert now in {generation, generation + 1}
        outcomes.add(now != generation)
        generation = now
    assert outcomes == {True, False} or len(outcomes) == 1


def test_an_uncommitted_batch_of_an_earlier_agent_is_removed(start_agent: StartAgent):
    agent = start_agent()
    host = agent.host()
    request = begin(host)
    send(host, request, Op(WRITE, "f", b"x"))
    wait_until(lambda: list(agent.workspace.glob(".dev*/0")), "it is staged")
    os.kill(agent.pid, signal.SIGKILL)
    agent.process.wait()
    host.close()
    start_agent(name="second")
    wait_until(lambda: not list(agent.workspace.iterdir()), "it is removed")


def test_rubbish_that_looks_like_a_committed_batch_harms_nothing(start_agent: StartAgent, tmp_path: Path):
    workspace = tmp_path / "workspace"
    rng = random.Random(5)  # noqa: S311 - moments, no secrets
    for i in range(20):
        fake = workspace / f".devbench-tmp-batch-{i:016x}"
        fake.mkdir(parents=True)
        fake.chmod(0o700)  # as an agent makes it: else it is not looked into
        (fake / "committed").write_bytes(rng.randbytes(rng.randrange(3000)))
        (fake / "committed").chmod(0o600)
    (workspace / ".devbench-tmp-batch-link").symlink_to("/etc")
    os.mkfifo(workspace / ".devbench-tmp-batch-pipe")
    agent = start_agent()
    with agent.host() as channel:
        channel.write("f", b"x")
    wait_until(lambda: len(list(workspace.glob(".dev*-batch-0*"))) == 0, "the fakes are removed")
    assert (workspace / "f").read_bytes() == b"x"


def test_another_agents_living_batch_is_left_alone(start_agent: StartAgent):
    first = start_agent()
    with first.host() as host:
        request = begin(host)
        send(host, request, Op(WRITE, "f", b"x"))
        wait_until(lambda: list(first.workspace.glob(".dev*/0")), "it is staged")
        second = start_agent(name="second")
        with second.host() as other:
            other.stat("")
            other.dir("")
        end(host, request, 1)
    assert (first.workspace / "f").read_bytes() == b"x"
