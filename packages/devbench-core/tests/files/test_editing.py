"""Edits of files, through a real agent."""

import asyncio
from typing import Any

import pytest

from devbench_core.errors import (
    EditFailed,
    FileConflict,
    FileFailed,
    FileMissing,
    TextInvalid,
    TooLarge,
    ValidationFailed,
)
from devbench_core.files.settings import FileLimits
from devbench_core.model.filechange import Replacement
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host


def swap(old: str, new: str, count: int | None = 1) -> list[Replacement]:
    return [Replacement(old=old, new=new, count=count)]


async def test_a_part_of_a_file_is_replaced_and_the_rest_is_as_it_was(host: Host, local_agent: LocalAgent):
    file = local_agent.workspace / "f"
    file.write_bytes(b"\xff\xfe old \x80\r\nlast")
    file.chmod(0o750)
    before = (await host.files.stat(C, "f")).etag
    edited = await host.files.edit(C, "f", replacements=swap("old", "n\u00e9w"))
    assert file.read_bytes() == b"\xff\xfe n\xc3\xa9w \x80\r\nlast"
    assert (edited.before, edited.attempts, edited.changes) == (before, 1, 1)
    assert edited.info == await host.files.stat(C, "f")
    assert edited.info.mode == 0o750


async def test_an_edit_that_does_not_fit_changes_nothing_and_tells_what_is_there(host: Host):
    written = await host.files.write(C, "f", b"alpha\nbeta\ngamma\n")
    both = [*swap("alpha", "a"), *swap("betta", "b")]
    with pytest.raises(EditFailed, match="replacement 2 is not there; there is line 2: 'beta'") as error:
        await host.files.edit(C, "f", replacements=both)
    assert error.value.details["etag"] == written.info.etag
    with pytest.raises(EditFailed, match="hunk 1"):
        await host.files.edit(C, "f", diff="@@ -1 +1 @@\n-delta\n+d\n")
    assert (await host.files.read(C, "f")).data == b"alpha\nbeta\ngamma\n"
    assert (await host.files.stat(C, "f")).etag == written.info.etag


async def test_a_diff_is_applied_and_tells_where(host: Host):
    await host.files.write(C, "f", b"a\nb\nc\n")
    edited = await host.files.edit(C, "f", diff="@@ -1,2 +1,1 @@\n-b\n c\n")
    assert (await host.files.read(C, "f")).data == b"a\nc\n"
    assert [(place.line, place.offset) for place in edited.places] == [(2, 1)]


async def test_an_edit_is_conditional_on_the_etag_that_was_read(host: Host):
    old = (await host.files.write(C, "f", b"a")).info.etag
    now = (await host.files.write(C, "f", b"ab")).info.etag
    with pytest.raises(FileConflict) as error:
        await host.files.edit(C, "f", replacements=swap("a", "x"), if_match=old)
    assert error.value.details["etag"] == now
    await host.files.edit(C, "f", replacements=swap("a", "x"), if_match=now)
    assert (await host.files.read(C, "f")).data == b"xb"


async def test_thirty_edits_at_once_are_all_there(host: Host):
    await host.files.write(C, "f", b"END\n")
    edits = [host.files.edit(C, "f", replacements=swap("END\n", f"line {i}\nEND\n")) for i in range(30)]
    done = await asyncio.gather(*edits)
    lines = (await host.files.read(C, "f")).data.decode().splitlines()
    assert sorted(lines) == sorted([f"line {i}" for i in range(30)] + ["END"])
    assert max(each.attempts for each in done) > 1


async def test_an_edit_that_is_never_let_through_is_a_conflict(local_agent: LocalAgent):
    limits = FileLimits(edit_attempts=1)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        await host.files.write(C, "f", b"END\n")
        edits = [host.files.edit(C, "f", replacements=swap("END", f"{i} END")) for i in range(10)]
        done = await asyncio.gather(*edits, return_exceptions=True)
    conflicts = [each for each in done if isinstance(each, BaseException)]
    assert conflicts
    assert all(isinstance(each, FileConflict) for each in conflicts)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "latin-1", "shift_jis", "utf-8-sig"])
async def test_text_in_other_encodings_is_edited_in_them(host: Host, local_agent: LocalAgent, encoding: str):
    before, after = (
        ("caf\u00e9\nbar\n", "caf\u00e9\nbaz\n")
        if encoding != "shift_jis"
        else ("\u8868\nbar\n", "\u8868\nbaz\n")
    )
    (local_agent.workspace / "f").write_bytes(before.encode(encoding))
    await host.files.edit(C, "f", replacements=swap("bar", "baz"), encoding=encoding)
    assert (local_agent.workspace / "f").read_bytes() == after.encode(encoding)


async def test_text_that_the_encoding_cannot_hold_changes_nothing(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "f").write_bytes(b"a\xe9")
    with pytest.raises(ValidationFailed, match="has no"):
        await host.files.edit(C, "f", replacements=swap("a", "\u8868"), encoding="latin-1")
    (local_agent.workspace / "g").write_bytes(b"\x00\xd8a")
    with pytest.raises(TextInvalid, match="byte 0"):
        await host.files.edit(C, "g", replacements=swap("a", "b"), encoding="utf-16-le")
    assert (local_agent.workspace / "f").read_bytes() == b"a\xe9"


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("replacements", {}),
        ("replacements", {"replacements": swap("a", "b"), "diff": "@@ -1 +1 @@\n-a\n+b\n"}),
        ("replacements.0.old", {"replacements": swap("", "b")}),
        ("replacements.0.new", {"replacements": swap("a", "a")}),
        ("replacements.0.count", {"replacements": swap("a", "b", 0)}),
        ("replacements.0.old", {"replacements": swap("\ud800", "b")}),
        ("diff", {"diff": "no diff"}),
        ("encoding", {"replacements": swap("a", "b"), "encoding": "rot13"}),
        ("encoding", {"replacements": swap("a", "b"), "encoding": "nonsense"}),
        ("if_match", {"replacements": swap("a", "b"), "if_match": ""}),
    ],
)
async def test_an_edit_that_is_none_is_refused_by_name(host: Host, field: str, more: dict[str, Any]):
    await host.files.write(C, "f", b"a")
    with pytest.raises(ValidationFailed) as error:
        await host.files.edit(C, "f", **more)
    assert error.value.details["field"] == field


async def test_limits_of_edits_have_names(local_agent: LocalAgent):
    limits = FileLimits(edit_max_bytes=10, edit_max_changes=2, write_max_bytes=12)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        (local_agent.workspace / "big").write_bytes(b"x" * 11)
        (local_agent.workspace / "f").write_bytes(b"x" * 10)
        for path, change, setting in (
            ("big", "y", "files.edit_max_bytes"),
            ("f", "12345", "files.write_max_bytes"),
        ):
            with pytest.raises(TooLarge) as error:
                await host.files.edit(C, path, replacements=swap("x" * 2, change, None))
            assert error.value.details["setting"] == setting
        with pytest.raises(ValidationFailed, match="at most 2"):
            await host.files.edit(C, "f", replacements=swap("x", "y") * 3)


async def test_what_is_no_file_is_not_edited(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "d").mkdir()
    with pytest.raises(FileMissing):
        await host.files.edit(C, "missing", replacements=swap("a", "b"))
    with pytest.raises(FileFailed) as error:
        await host.files.edit(C, "d", replacements=swap("a", "b"))
    assert error.value.details["reason"] == "is_directory"


async def test_twenty_clients_and_a_program_in_the_container_edit_the_same_five_files(
    host: Host, local_agent: LocalAgent
):
    """The program claims a file by renaming it, edits it, and gives the name back."""
    files = [f"f{i}" for i in range(5)]
    for name in files:
        await host.files.write(C, name, b"END\n")
    script = (
        "for i in 0 1 2 3 4 5 6 7 8 9; do for f in f0 f1 f2 f3 f4; do"
        " until mv $f mine.$f 2>/dev/null; do :; done;"
        ' sed "s/^END/shell-$i\\nEND/" mine.$f > new.$f; mv new.$f $f; rm mine.$f; done; done'
    )

    async def client(number: int) -> None:
        for name in files:
            while True:
                try:
                    await host.files.edit(C, name, replacements=swap("END\n", f"client-{number}\nEND\n"))
                    break
                except (FileConflict, FileMissing):
                    continue

    shell = await asyncio.create_subprocess_exec("sh", "-c", script, cwd=local_agent.workspace)
    await asyncio.gather(*(client(number) for number in range(20)))
    assert await shell.wait() == 0
    expected = sorted([f"client-{i}" for i in range(20)] + [f"shell-{i}" for i in range(10)] + ["END"])
    for name in files:
        assert sorted((await host.files.read(C, name)).data.decode().splitlines()) == expected
    assert sorted(path.name for path in local_agent.workspace.iterdir()) == files


async def test_of_a_hundred_conditional_writers_one_wins_and_the_others_get_its_etag(host: Host):
    etag = (await host.files.write(C, "f", b"old")).info.etag
    writes = [host.files.write(C, "f", b"%d" % i, if_match=etag) for i in range(100)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    winners = [i for i, result in enumerate(results) if not isinstance(result, BaseException)]
    assert len(winners) == 1
    now = await host.files.read(C, "f")
    assert now.data == b"%d" % winners[0]
    conflicts = [result for result in results if isinstance(result, FileConflict)]
    assert [conflict.details["etag"] for conflict in conflicts] == [now.info.etag] * 99
