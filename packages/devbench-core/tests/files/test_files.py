"""Files of a workspace, through a real agent."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import PurePosixPath

import pytest

from devbench_core.errors import (
    FileConflict,
    FileFailed,
    FileMissing,
    PathOutside,
    TooLarge,
    ValidationFailed,
    Vetoed,
)
from devbench_core.files.settings import FileLimits
from devbench_core.model.event import Veto
from devbench_core.model.file import FileType
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host


async def test_what_is_written_is_read_with_the_same_etag_everywhere(host: Host):
    written = await host.files.write(C, "a.txt", b"hello")
    assert written.created
    read = await host.files.read(C, PurePosixPath("/workspace/a.txt"))
    listed = (await host.files.list(C)).entries[0]
    stated = await host.files.stat(C, "./a.txt")
    assert (read.data, read.truncated) == (b"hello", False)
    assert written.info.etag == read.info.etag == listed.etag == stated.etag != ""
    assert written.info == stated == listed == read.info
    assert stated.path == PurePosixPath("/workspace/a.txt")
    assert (stated.type, stated.size_bytes, stated.mode) == (FileType.FILE, 5, 0o644)
    assert abs((stated.modified_at - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 5_000_000])
async def test_content_of_any_size_is_whole(host: Host, size: int):
    data = os.urandom(size)
    await host.files.write(C, "f", data)
    assert (await host.files.read(C, "f")).data == data


async def test_a_part_of_a_file_says_whether_there_is_more(host: Host):
    await host.files.write(C, "f", b"0123456789")
    part = await host.files.read(C, "f", offset=2, max_bytes=3)
    assert (part.data, part.offset, part.truncated) == (b"234", 2, True)
    end = await host.files.read(C, "f", offset=7, max_bytes=3)
    assert (end.data, end.truncated) == (b"789", False)
    beyond = await host.files.read(C, "f", offset=99)
    assert (beyond.data, beyond.truncated) == (b"", False)
    nothing = await host.files.read(C, "f", max_bytes=0)
    assert (nothing.data, nothing.truncated) == (b"", True)


async def test_of_fifty_conditional_writers_one_wins(host: Host):
    etag = (await host.files.write(C, "f", b"old")).info.etag
    results = await asyncio.gather(
        *(host.files.write(C, "f", b"%d" % i, if_match=etag) for i in range(50)), return_exceptions=True
    )
    winners = [i for i, result in enumerate(results) if not isinstance(result, BaseException)]
    assert len(winners) == 1
    now = await host.files.read(C, "f")
    assert now.data == b"%d" % winners[0]
    losers = [result for result in results if isinstance(result, FileConflict)]
    assert len(losers) == 49
    assert losers[-1].details["etag"] == now.info.etag


async def test_a_change_from_inside_is_a_conflict(host: Host, local_agent: LocalAgent):
    etag = (await host.files.write(C, "f", b"old")).info.etag
    (local_agent.workspace / "f").write_bytes(b"new")
    with pytest.raises(FileConflict):
        await host.files.write(C, "f", b"mine", if_match=etag)
    with pytest.raises(FileConflict):
        await host.files.delete(C, "f", if_match=etag)
    current = await host.files.read(C, "f")
    assert current.data == b"new"
    await host.files.delete(C, "f", if_match=current.info.etag)
    with pytest.raises(FileConflict, match="not there any more"):
        await host.files.write(C, "f", b"mine", if_match=etag)


async def test_a_new_file_is_not_written_over_an_old_one(host: Host):
    etag = (await host.files.write(C, "f", b"first", if_none_match=True)).info.etag
    with pytest.raises(FileConflict, match="exists already"):
        await host.files.write(C, "f", b"second", if_none_match=True)
    assert (await host.files.stat(C, "f")).etag == etag
    with pytest.raises(ValidationFailed):
        await host.files.write(C, "f", b"x", if_match=etag, if_none_match=True)
    with pytest.raises(ValidationFailed):
        await host.files.write(C, "f", b"x", if_match="")


async def test_modes_and_missing_folders(host: Host, local_agent: LocalAgent):
    with pytest.raises(FileMissing):
        await host.files.write(C, "a/b/f", b"")
    info = (await host.files.write(C, "a/b/f", b"", mode=0o750, parents=True)).info
    assert info.mode == 0o750
    assert (await host.files.write(C, "a/b/f", b"again")).info.mode == 0o750
    assert (local_agent.workspace / "a/b/f").read_bytes() == b"again"
    with pytest.raises(ValidationFailed):
        await host.files.write(C, "f", b"", mode=0o10000)


async def test_folders_are_listed_page_by_page_in_the_order_of_bytes(host: Host, local_agent: LocalAgent):
    names = [f"n{i:03}" for i in range(250)] + ["ä", "Z"]
    for name in names:
        (local_agent.workspace / name).touch()
    (local_agent.workspace / os.fsdecode(b"\xff\xfe")).touch()
    seen: list[bytes] = []
    cursor = ""
    while True:
        page = await host.files.list(C, after=cursor, limit=100)
        seen += [os.fsencode(entry.path.name) for entry in page.entries]
        cursor = page.cursor
        if not cursor:
            break
    assert seen == sorted([*map(os.fsencode, names), b"\xff\xfe"])
    odd = await host.files.read(C, os.fsdecode(b"\xff\xfe"))
    assert odd.data == b""
    for wrong in ({"limit": 0}, {"limit": 1001}, {"after": "a/b"}):
        with pytest.raises(ValidationFailed):
            await host.files.list(C, **wrong)  # pyright: ignore[reportArgumentType]


async def test_links_inside_work_and_links_outside_are_refused(host: Host, local_agent: LocalAgent):
    await host.files.write(C, "f", b"inside")
    (local_agent.workspace / "good").symlink_to("f")
    (local_agent.workspace / "bad").symlink_to("/etc/passwd")
    (local_agent.workspace / "up").symlink_to("../..")
    assert (await host.files.read(C, "good")).data == b"inside"
    info = await host.files.stat(C, "bad")
    assert (info.type, info.target, info.etag) == (FileType.SYMLINK, "/etc/passwd", "")
    for path in ("bad", "up/etc/passwd"):
        with pytest.raises(PathOutside):
            await host.files.read(C, path)
    with pytest.raises(PathOutside):
        await host.files.write(C, "up/evil", b"")


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a/../../x", "/workspace/../etc", "/", "/workspacex"]
)
async def test_a_path_that_leads_out_never_reaches_the_container(host: Host, path: str):
    with pytest.raises(PathOutside):
        await host.files.stat(C, path)
    assert host.requests == []


async def test_what_went_wrong_is_said_exactly(host: Host, local_agent: LocalAgent):
    await host.files.write(C, "f", b"")
    await host.files.mkdir(C, "d/e", parents=True)
    os.mkfifo(local_agent.workspace / "pipe")
    (local_agent.workspace / "loop").symlink_to("loop")
    cases = [
        (host.files.read(C, "d"), "is_directory"),
        (host.files.read(C, "f/x"), "not_directory"),
        (host.files.list(C, "f"), "not_directory"),
        (host.files.delete(C, "d"), "not_empty"),
        (host.files.delete(C, "."), "invalid"),
        (host.files.mkdir(C, "d"), "exists"),
        (host.files.read(C, "pipe"), "invalid"),
        (host.files.read(C, "loop"), "loop"),
        (host.files.write(C, "d", b""), "is_directory"),
    ]
    for operation, reason in cases:
        with pytest.raises(FileFailed) as caught:
            await operation
        assert caught.value.details["reason"] == reason
    for operation in (host.files.read(C, "no"), host.files.stat(C, "no"), host.files.delete(C, "no")):
        with pytest.raises(FileMissing):
            await operation


async def test_folders_are_made_and_deleted(host: Host):
    info = await host.files.mkdir(C, "a/b/c", parents=True)
    assert (info.type, info.path) == (FileType.DIRECTORY, PurePosixPath("/workspace/a/b/c"))
    assert await host.files.mkdir(C, "a/b/c", parents=True) == info
    with pytest.raises(FileMissing):
        await host.files.mkdir(C, "x/y")
    await host.files.delete(C, "a", recursive=True)
    assert (await host.files.list(C)).entries == ()


async def test_content_over_the_limit_changes_nothing(local_agent: LocalAgent):
    limits = FileLimits(write_max_bytes=10, read_max_bytes=10)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        with pytest.raises(TooLarge) as caught:
            await host.files.write(C, "f", b"x" * 11)
        assert caught.value.details == {"limit": 10, "setting": "files.write_max_bytes"}
        (local_agent.workspace / "f").write_bytes(b"y" * 11)
        assert (await host.files.read(C, "f")).truncated
        with pytest.raises(ValidationFailed):
            await host.files.read(C, "f", max_bytes=11)
        with pytest.raises(ValidationFailed):
            await host.files.read(C, "f", offset=-1)


async def test_reviewers_can_refuse_and_observers_are_told(host: Host):
    await host.files.write(C, "f", b"abc")
    await host.files.delete(C, "f")
    assert [(r.operation, r.subject) for r in host.requests] == [
        ("file.write", "/workspace/f"),
        ("file.delete", "/workspace/f"),
    ]
    assert [(e.name, e.fields["path"]) for e in host.events] == [
        ("file.written", "/workspace/f"),
        ("file.deleted", "/workspace/f"),
    ]
    host.veto = Veto(clause="read_only", reason="hands off")
    with pytest.raises(Vetoed, match="hands off"):
        await host.files.write(C, "f", b"abc")


async def test_a_write_whose_caller_goes_away_changes_nothing(host: Host, local_agent: LocalAgent):
    await host.files.write(C, "f", b"old")
    writing = asyncio.create_task(host.files.write(C, "f", bytes(50_000_000)))
    await asyncio.sleep(0)
    while not any(local_agent.workspace.glob(".devbench-tmp-*")):
        await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert (await host.files.read(C, "f")).data == b"old"
    assert [e.path.name for e in (await host.files.list(C)).entries] == ["f"]


async def test_more_operations_than_a_container_takes_at_once_wait_for_their_turn(local_agent: LocalAgent):
    async with open_host(local_agent.connect, local_agent.token) as host:
        await asyncio.gather(*(host.files.write(C, f"d/{i}", b"x", parents=True) for i in range(300)))
        assert len((await host.files.list(C, "d")).entries) == 300


async def test_whoever_waits_for_changes_holds_nobody_up(local_agent: LocalAgent):
    limits = FileLimits(concurrent_max=2)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        cursor = (await host.files.changes(C)).cursor
        waiting = [asyncio.create_task(host.files.changes(C, cursor=cursor, wait_s=30)) for _ in range(3)]
        await host.files.write(C, "f", b"x")
        for page in await asyncio.gather(*waiting):
            assert [str(change.path) for change in page.changes] == ["/workspace/f"]


async def test_a_file_that_is_replaced_while_it_is_read_is_read_whole_with_its_etag(
    host: Host, local_agent: LocalAgent
):
    old = (await host.files.write(C, "f", b"a" * 3_000_000)).info
    reading = asyncio.create_task(host.files.read(C, "f"))
    await asyncio.gather(*(host.files.write(C, "f", b"b" * 10) for _ in range(5)))
    content = await reading
    assert content.data in {b"a" * 3_000_000, b"b" * 10}
    assert (content.info.etag == old.etag) == (content.info.size_bytes == old.size_bytes)
    assert [path.name for path in local_agent.workspace.iterdir()] == ["f"]
