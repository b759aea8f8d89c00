"""Appends, moves, copies and modes, through a real agent."""

import asyncio
import stat
from pathlib import Path

import attrs
import pytest

from devbench_core.errors import (
    AgentOutdated,
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
from harness.agent_host import Host, LocalAgent, eventually, open_host


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_hundred_appends_at_once_are_each_there_once(host: Host):
    await asyncio.gather(*(host.files.write(C, "log", b"line %d\n" % i, append=True) for i in range(100)))
    lines = (await host.files.read(C, "log")).data.splitlines()
    assert sorted(lines) == sorted(b"line %d" % i for i in range(100))


async def test_an_append_is_conditional_and_tells_the_new_state(host: Host):
    old = (await host.files.write(C, "f", b"a")).info.etag
    done = await host.files.write(C, "f", b"b", append=True, if_match=old, durable=True)
    assert (done.created, done.info) == (False, await host.files.stat(C, "f"))
    with pytest.raises(FileConflict) as error:
        await host.files.write(C, "f", b"c", append=True, if_match=old)
    assert error.value.details["etag"] == done.info.etag
    assert (await host.files.read(C, "f")).data == b"ab"


async def test_a_link_is_written_through_or_replaced(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "link").symlink_to("f")
    await host.files.write(C, "link", b"1")
    assert (await host.files.stat(C, "link")).type is FileType.SYMLINK
    assert (await host.files.stat(C, "link", follow=True)).size_bytes == 1
    await host.files.write(C, "link", b"22", replace_link=True)
    assert (await host.files.stat(C, "link")).size_bytes == 2
    assert (await host.files.read(C, "f")).data == b"1"
    with pytest.raises(ValidationFailed, match="replace_link"):
        await host.files.write(C, "link", b"", replace_link=True, append=True)


async def test_a_folder_has_the_mode_that_was_asked_for(host: Host, local_agent: LocalAgent):
    made = await host.files.mkdir(C, "a/b", mode=0o2777, parents=True)
    assert made.mode == mode(local_agent.workspace / "a/b") == 0o2777
    assert mode(local_agent.workspace / "a") == 0o755
    assert (await host.files.mkdir(C, "a/b", mode=0o700, parents=True)).mode == 0o2777
    with pytest.raises(FileFailed):
        await host.files.mkdir(C, "a/b", mode=0o700)
    with pytest.raises(ValidationFailed, match="mode"):
        await host.files.mkdir(C, "c", mode=0o10000)


async def test_a_move_tells_what_it_did_and_what_is_in_its_way(host: Host):
    await host.files.write(C, "a", b"a")
    b = (await host.files.write(C, "b", b"b")).info
    with pytest.raises(FileConflict, match="'/workspace/b' exists already"):
        await host.files.move(C, "a", "b")
    with pytest.raises(FileConflict) as error:
        await host.files.move(C, "a", "b", if_match_to="0" * 32)
    assert error.value.details == {"path": "/workspace/b", "etag": b.etag, "which": "target"}
    with pytest.raises(FileConflict) as error:
        await host.files.move(C, "a", "b", overwrite=True, if_match="0" * 32)
    assert error.value.details["path"] == "/workspace/a"
    moved = await host.files.move(C, "a", "b", if_match_to=b.etag)
    assert (moved.replaced, moved.info) == (True, await host.files.stat(C, "b"))
    assert not (await host.files.move(C, "b", "x/y/c", parents=True)).replaced
    with pytest.raises(FileConflict, match="not there any more"):
        await host.files.move(C, "x", "z", if_match_to="0" * 32)
    told = [event.fields for event in host.told("file.moved")]
    assert told[-1] == {"path": "/workspace/b", "to": "/workspace/x/y/c"}


async def test_a_move_that_makes_no_sense_says_why_and_about_which_path(host: Host):
    await host.files.mkdir(C, "d/e", parents=True)
    await host.files.write(C, "f", b"f")
    cases = [
        ("d", "d/e/g", "into_itself", "/workspace/d/e/g"),
        ("f", "d", "is_directory", "/workspace/d"),
        ("d", "f", "not_directory", "/workspace/f"),
    ]
    for path, to, reason, about in cases:
        with pytest.raises(FileFailed) as error:
            await host.files.move(C, path, to, overwrite=True)
        assert (error.value.details["reason"], error.value.details["path"]) == (reason, about)
        assert about in error.value.message
    for path, to, about in (("missing", "g", "/workspace/missing"), ("f", "no/g", "/workspace/no/g")):
        with pytest.raises(FileMissing) as missing:
            await host.files.move(C, path, to)
        assert missing.value.details["path"] == about
    with pytest.raises(PathOutside):
        await host.files.move(C, "f", "../g")


async def test_a_file_and_a_folder_are_copied(host: Host, local_agent: LocalAgent):
    folder = local_agent.workspace / "d"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/f").write_bytes(b"content")
    (folder / "link").symlink_to("sub/f")
    (folder / "sub/f").chmod(0o751)
    one = await host.files.copy(C, "d/link", "copy")
    assert (one.created, one.entries, one.size_bytes, one.info.mode) == (True, 1, 7, 0o751)
    with pytest.raises(FileFailed) as error:
        await host.files.copy(C, "d", "e")
    assert error.value.details["reason"] == "is_directory"
    tree = await host.files.copy(C, "d", "e", recursive=True)
    assert (tree.entries, tree.size_bytes, tree.skipped) == (4, 7, 0)
    assert (local_agent.workspace / "e/link").is_symlink()
    assert mode(local_agent.workspace / "e/sub/f") == 0o751
    with pytest.raises(FileConflict, match="exists already"):
        await host.files.copy(C, "d", "e", recursive=True)
    with pytest.raises(FileFailed) as error:
        await host.files.copy(C, "d", "d/sub/x", recursive=True)
    assert error.value.details["reason"] == "into_itself"


async def test_limits_of_copies_and_modes_have_names(local_agent: LocalAgent):
    folder = local_agent.workspace / "d"
    folder.mkdir()
    for i in range(10):
        (folder / str(i)).write_bytes(b"x" * 10)
    limits = FileLimits(tree_max_entries=5, copy_max_bytes=1000)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        with pytest.raises(TooLarge, match="more than 5 entries") as error:
            await host.files.copy(C, "d", "e", recursive=True)
        assert error.value.details["setting"] == "files.tree_max_entries"
        with pytest.raises(TooLarge):
            await host.files.chmod(C, "d", 0o700, recursive=True)
        (local_agent.workspace / "big").write_bytes(b"x" * 1001)
        with pytest.raises(TooLarge, match="more than 1000 bytes") as error:
            await host.files.copy(C, "big", "e")
        assert error.value.details["setting"] == "files.copy_max_bytes"
        await eventually(lambda: len(list(local_agent.workspace.iterdir())) == 2)


async def test_modes_are_changed_and_those_of_folders_let_in_whoever_may_read(
    host: Host, local_agent: LocalAgent
):
    folder = local_agent.workspace / "d"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/f").write_bytes(b"")
    done = await host.files.chmod(C, "d", 0o640, recursive=True)
    assert (done.changed, done.info.mode) == (3, 0o750)
    assert (mode(folder / "sub"), mode(folder / "sub/f")) == (0o750, 0o640)
    await host.files.chmod(C, "d", 0o600, recursive=True, folder_mode=0o711)
    assert (mode(folder / "sub"), mode(folder / "sub/f")) == (0o711, 0o600)
    etag = (await host.files.stat(C, "d/sub/f")).etag
    changed = await host.files.chmod(C, "d/sub/f", 0o755, if_match=etag)
    assert changed.info == await host.files.stat(C, "d/sub/f")
    with pytest.raises(FileConflict):
        await host.files.chmod(C, "d/sub/f", 0o700, if_match=etag)
    with pytest.raises(ValidationFailed, match="mode"):
        await host.files.chmod(C, "d", 0o10000)
    with pytest.raises(ValidationFailed, match="folder_mode"):
        await host.files.chmod(C, "d", 0o700, folder_mode=0o700)


async def test_reviewers_are_asked_about_both_paths(host: Host):
    await host.files.write(C, "f", b"f")
    await host.files.move(C, "f", "g")
    asked = [(request.operation, request.subject) for request in host.requests[-2:]]
    assert asked == [("file.move", "/workspace/f"), ("file.move", "/workspace/g")]
    host.veto = Veto(clause="test", reason="no")
    with pytest.raises(Vetoed):
        await host.files.copy(C, "g", "h")
    with pytest.raises(Vetoed):
        await host.files.chmod(C, "g", 0o600)
    host.veto = None
    assert [info.path.name for info in (await host.files.list(C)).entries] == ["g"]


async def test_an_agent_that_is_older_is_not_asked_for_what_it_does_not_know(host: Host):
    await host.files.write(C, "f", b"f")
    channel = await host.link.channel()
    channel.agent = attrs.evolve(channel.agent, features=channel.agent.features - {"changes"})
    calls = [
        host.files.move(C, "f", "g"),
        host.files.copy(C, "f", "g"),
        host.files.chmod(C, "f", 0o600),
        host.files.mkdir(C, "d", mode=0o700),
        host.files.write(C, "f", b"", append=True),
        host.files.write(C, "f", b"", replace_link=True),
        host.files.read_lines(C, "f"),
    ]
    for call in calls:
        with pytest.raises(AgentOutdated) as error:
            await call
        assert error.value.code == "agent_outdated"
    assert (await host.files.read(C, "f")).data == b"f"


async def test_a_copy_whose_caller_goes_away_leaves_nothing(host: Host, local_agent: LocalAgent):
    for i in range(1000):
        path = local_agent.workspace / f"d/{i % 20}/{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    copying = asyncio.ensure_future(host.files.copy(C, "d", "e", recursive=True))
    await eventually(lambda: any(local_agent.workspace.glob(".devbench-tmp-*")))
    copying.cancel()
    await eventually(lambda: [path.name for path in local_agent.workspace.iterdir()] == ["d"])
