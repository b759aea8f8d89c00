"""Batches of changes, through a real agent."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from devbench_core.errors import (
    DevbenchError,
    EditFailed,
    FileConflict,
    FileFailed,
    FileMissing,
    PathOutside,
    TooLarge,
    ValidationFailed,
    Vetoed,
)
from devbench_core.files.settings import FileLimits
from devbench_core.model.batch import (
    BatchDelete,
    BatchEdit,
    BatchMkdir,
    BatchMove,
    BatchOperation,
    BatchWrite,
)
from devbench_core.model.event import Veto
from devbench_core.model.file import FileType
from devbench_core.model.filechange import Replacement
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host


def tree(workspace: Path) -> dict[str, bytes | None]:
    """What is in a workspace."""
    return {
        str(path.relative_to(workspace)): path.read_bytes() if path.is_file() else None
        for path in workspace.rglob("*")
    }


async def test_a_batch_does_all_in_order(host: Host, local_agent: LocalAgent):
    etag = (await host.files.write(C, "old", b"1")).info.etag
    await host.files.write(C, "gone/deep/f", b"", parents=True)
    outcomes = await host.files.batch(
        C,
        [
            BatchWrite(path="a/b/c", data=b"c", parents=True, mode=0o750),
            BatchWrite(path="a/b/d", data=b"d", parents=True),
            BatchWrite(path="old", data=b"2", if_match=etag),
            BatchMove(path="old", target="new/name", parents=True),
            BatchDelete(path="gone", recursive=True),
            BatchMkdir(path="x/y", parents=True),
        ],
    )
    assert tree(local_agent.workspace) == {
        "a": None,
        "a/b": None,
        "a/b/c": b"c",
        "a/b/d": b"d",
        "new": None,
        "new/name": b"2",
        "x": None,
        "x/y": None,
    }
    infos = [outcome.info for outcome in outcomes]
    assert infos[0] == await host.files.stat(C, "a/b/c")
    assert infos[3] == await host.files.stat(C, "new/name")
    assert infos[4] is None
    assert infos[5] is not None
    assert infos[5].type is FileType.DIRECTORY
    assert [outcome.created for outcome in outcomes] == [True, True, False, False, False, True]
    assert [(e.name, e.fields["path"]) for e in host.events[2:]] == [
        ("file.written", "/workspace/a/b/c"),
        ("file.written", "/workspace/a/b/d"),
        ("file.written", "/workspace/old"),
        ("file.moved", "/workspace/old"),
        ("file.deleted", "/workspace/gone"),
        ("file.written", "/workspace/x/y"),
    ]


REFUSED: dict[str, tuple[BatchOperation, type[DevbenchError], str]] = {
    "a lost race": (BatchWrite(path="f", data=b"", if_match="0" * 32), FileConflict, "/workspace/f"),
    "an etag of what is gone": (
        BatchWrite(path="no", data=b"", if_match="0" * 32),
        FileConflict,
        "/workspace/no",
    ),
    "taken": (BatchWrite(path="f", data=b"", if_none_match=True), FileConflict, "/workspace/f"),
    "absent": (BatchDelete(path="no"), FileMissing, "/workspace/no"),
    "no folder": (BatchWrite(path="no/f", data=b""), FileMissing, "/workspace/no/f"),
    "no folder can be there": (BatchWrite(path="f/g/h", data=b"", parents=True), FileFailed, "/workspace/f"),
    "the target is taken": (BatchMove(path="f", target="d"), FileFailed, "/workspace/d"),
    "a folder": (BatchWrite(path="d", data=b""), FileFailed, "/workspace/d"),
    "not empty": (BatchDelete(path="d"), FileFailed, "/workspace/d"),
}


@pytest.mark.parametrize("case", list(REFUSED))
async def test_a_refusal_names_the_operation_and_changes_nothing(
    host: Host, local_agent: LocalAgent, case: str
):
    await host.files.write(C, "f", b"f")
    await host.files.write(C, "d/e", b"e", parents=True)
    before = tree(local_agent.workspace)
    wrong, kind, path = REFUSED[case]
    with pytest.raises(kind) as caught:
        await host.files.batch(
            C,
            [
                BatchWrite(path="p/q", data=b"", parents=True),
                BatchMkdir(path="z"),
                wrong,
                BatchDelete(path="f"),
            ],
        )
    assert type(caught.value) is kind
    assert caught.value.details["operation"] == 2
    assert caught.value.details["path"] == path
    assert "operation 2" in caught.value.message
    assert tree(local_agent.workspace) == before
    assert [event.name for event in host.events] == ["file.written"] * 2


WRONG: dict[str, tuple[Sequence[BatchOperation], type[DevbenchError]]] = {
    "outside": ([BatchDelete(path="../f")], PathOutside),
    "the workspace": ([BatchDelete(path=".", recursive=True)], ValidationFailed),
    "mode": ([BatchWrite(path="f", data=b"", mode=0o10000)], ValidationFailed),
    "no etag": ([BatchDelete(path="f", if_match="")], ValidationFailed),
    "two conditions": ([BatchWrite(path="f", data=b"", if_match="x", if_none_match=True)], ValidationFailed),
    "onto itself": ([BatchMove(path="f", target="./f")], ValidationFailed),
    "devbench's own": ([BatchMkdir(path=".devbench-tmp-x/y")], ValidationFailed),
}


@pytest.mark.parametrize("case", list(WRONG))
async def test_what_is_wrong_by_itself_never_reaches_the_container(host: Host, case: str):
    operations, kind = WRONG[case]
    with pytest.raises(kind) as caught:
        await host.files.batch(C, [BatchMkdir(path="fine"), *operations])
    assert caught.value.details["operation"] == 1
    assert host.requests == []


async def test_limits_are_named(local_agent: LocalAgent):
    limits = FileLimits(batch_max_operations=2, batch_max_bytes=5)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        with pytest.raises(TooLarge) as caught:
            await host.files.batch(C, [BatchMkdir(path=str(i)) for i in range(3)])
        assert caught.value.details == {"limit": 2, "setting": "files.batch_max_operations"}
        with pytest.raises(TooLarge) as caught:
            await host.files.batch(C, [BatchWrite(path=str(i), data=b"abc") for i in range(2)])
        assert caught.value.details == {"limit": 5, "setting": "files.batch_max_bytes"}
        assert list(local_agent.workspace.iterdir()) == []


async def test_no_more_is_read_for_edits_than_a_batch_may_hold(local_agent: LocalAgent):
    limits = FileLimits(batch_max_operations=3, batch_max_bytes=5)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        with pytest.raises(TooLarge, match="4 operations"):
            await host.files.batch(C, [renamed("absent")] * 4)
        await host.files.write(C, "a", b"old")
        await host.files.write(C, "b", b"old")
        with pytest.raises(TooLarge, match="6 bytes") as caught:
            await host.files.batch(C, [renamed("a"), renamed("b"), renamed("absent")])
        assert caught.value.details == {"limit": 5, "setting": "files.batch_max_bytes"}
        assert (await host.files.read(C, "a")).data == b"old"


async def test_each_path_is_reviewed(host: Host):
    await host.files.batch(
        C, [BatchWrite(path="f", data=b""), BatchMove(path="f", target="g"), BatchDelete(path="g")]
    )
    assert [(r.operation, r.subject) for r in host.requests] == [
        ("file.write", "/workspace/f"),
        ("file.move", "/workspace/f"),
        ("file.move", "/workspace/g"),
        ("file.delete", "/workspace/g"),
    ]
    host.veto = Veto(clause="read_only", reason="hands off")
    with pytest.raises(Vetoed, match="hands off"):
        await host.files.batch(C, [BatchMkdir(path="x")])


async def test_of_many_batches_with_the_same_etags_one_wins(host: Host, local_agent: LocalAgent):
    etags = [(await host.files.write(C, f"f{i}", b"old")).info.etag for i in range(20)]

    async def attempt(number: int) -> None:
        await host.files.batch(
            C, [BatchWrite(path=f"f{i}", data=b"%d" % number, if_match=etags[i]) for i in range(20)]
        )

    results = await asyncio.gather(*(attempt(i) for i in range(20)), return_exceptions=True)
    winners = [i for i, result in enumerate(results) if result is None]
    assert len(winners) == 1
    assert all(isinstance(result, FileConflict) for result in results if result is not None)
    assert set(tree(local_agent.workspace).values()) == {b"%d" % winners[0]}


async def test_a_batch_is_seen_whole_or_not_at_all(host: Host):
    """Readers through devbench see, in one pass of requests, one generation or the next."""
    names = [f"f{i:03}" for i in range(300)]
    await host.files.batch(C, [BatchWrite(path=name, data=b"0") for name in names])
    done = asyncio.Event()

    async def change() -> None:
        for generation in range(1, 8):
            await host.files.batch(C, [BatchWrite(path=name, data=b"%d" % generation) for name in names])
        done.set()

    async def number(name: str) -> int:
        while True:
            with suppress(FileConflict):  # it was replaced while it was read
                return int((await host.files.read(C, name)).data)

    async def look() -> int:
        seen = 0
        while not done.is_set():
            first, last, again = await number(names[0]), await number(names[-1]), await number(names[0])
            assert first <= last <= again
            seen += 1
        return seen

    _, seen = await asyncio.gather(change(), look())
    assert seen > 3


async def test_a_batch_whose_caller_goes_away_changes_nothing(host: Host, local_agent: LocalAgent):
    doing = asyncio.create_task(
        host.files.batch(C, [BatchWrite(path=f"f{i}", data=bytes(2**20)) for i in range(40)])
    )
    while not any(local_agent.workspace.glob(".devbench-tmp-*/0")):
        await asyncio.sleep(0)
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    while any(local_agent.workspace.iterdir()):
        await asyncio.sleep(0.001)
    await host.files.write(C, "f", b"still fine")


async def test_ten_thousand_small_files(host: Host, local_agent: LocalAgent):
    data = os.urandom(100)
    outcomes = await host.files.batch(
        C, [BatchWrite(path=f"d{i % 100}/f{i}", data=data, parents=True) for i in range(10_000)]
    )
    assert len({outcome.info.etag for outcome in outcomes if outcome.info}) == 10_000
    assert sum(1 for _ in local_agent.workspace.rglob("f*")) == 10_000


def renamed(path: str, **more: str) -> BatchEdit:
    return BatchEdit(path=path, replacements=(Replacement(old="old", new="new"),), **more)


async def test_edits_are_part_of_a_batch_and_all_apply_or_none(host: Host, local_agent: LocalAgent):
    for name in ("a", "b"):
        await host.files.write(C, name, f"{name} calls old()".encode())
    before = tree(local_agent.workspace)
    with pytest.raises(EditFailed) as misfit:
        await host.files.batch(C, [renamed("a"), BatchEdit(path="b", diff=NO_FIT)])
    assert misfit.value.details["operation"] == 1
    assert tree(local_agent.workspace) == before
    await host.files.batch(C, [renamed("a"), renamed("b"), BatchMove(path="b", target="c")])
    assert tree(local_agent.workspace) == {"a": b"a calls new()", "c": b"b calls new()"}


NO_FIT = "@@ -1 +1 @@\n-nothing like it\n+x\n"


async def test_an_edit_is_of_what_stands_before_the_batch(host: Host):
    await host.files.write(C, "d/f", b"old", parents=True)
    for earlier in (BatchWrite(path="d/f", data=b"old"), BatchDelete(path="d", recursive=True)):
        with pytest.raises(ValidationFailed, match=r"operations\.1"):
            await host.files.batch(C, [earlier, renamed("d/f")])
    with pytest.raises(FileConflict) as stale:
        await host.files.batch(C, [BatchMkdir(path="x"), renamed("d/f", if_match="0" * 32)])
    assert stale.value.details["operation"] == 1
    with pytest.raises(FileMissing, match="operation 0"):
        await host.files.batch(C, [renamed("absent")])


async def test_batches_of_edits_that_race_are_tried_anew_and_each_applies_once(host: Host):
    for name in ("a", "b"):
        await host.files.write(C, name, b"0")

    def counted(text: str, new: str) -> Replacement:
        return Replacement(old=text, new=new, count=1)

    async def count_up() -> None:
        for _ in range(5):
            while True:
                now = (await host.files.read(C, "a")).data.decode()
                edits = [
                    BatchEdit(path=name, replacements=(counted(now, str(int(now) + 1)),))
                    for name in ("a", "b")
                ]
                with suppress(EditFailed, FileConflict):
                    await host.files.batch(C, edits)
                    break

    await asyncio.gather(*(count_up() for _ in range(4)))
    assert [(await host.files.read(C, name)).data for name in ("a", "b")] == [b"20", b"20"]
