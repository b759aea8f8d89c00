"""Listings and descriptions, on each runtime and image."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devbench_core.errors import FileFailed, FileMissing, ValidationFailed
from devbench_core.files import Files
from devbench_core.model.file import FileInfo, FileType
from devbench_core.model.policy import Clause
from devbench_core.testing.kit.claims import Claims, Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import WithHost

ODD = [
    "b",
    "a",
    "B",
    "\u00e4",
    "z",
    "\udcff",
    "-",
    "a b",
    "\uffff",
    "\U0001f600",
    "0",
    "10",
    "9",
    ".hidden",
    "\n",
]


async def filled(lab: Lab, names: list[str]) -> str:
    """Make a folder with files of these names."""
    where = await lab.folder()
    for start in range(0, len(names), 32):
        async with asyncio.TaskGroup() as group:
            for name in names[start : start + 32]:
                group.create_task(lab.files.write(lab.container, f"{where}/{name}", b""))
    return where


async def pages(lab: Lab, where: str, limit: int) -> list[list[FileInfo]]:
    """List page by page."""
    found: list[list[FileInfo]] = []
    cursor = ""
    while True:
        page = await lab.files.list(lab.container, where, after=cursor, limit=limit)
        found.append(list(page.entries))
        cursor = page.cursor
        if not cursor:
            return found


def by_bytes(name: str) -> bytes:
    """Return what names are ordered by."""
    return name.encode("utf-8", "surrogateescape")


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files.list, Files.stat)
class FilesListingContract(WithHost):
    """Listings, page by page, and what is told of a file."""

    async def test_names_come_in_the_order_of_their_bytes(self, lab: Lab):
        where = await filled(lab, ODD)
        listed = (await lab.files.list(lab.container, where)).entries
        assert [info.path.name for info in listed] == sorted(ODD, key=by_bytes)

    @pytest.mark.parametrize("limit", [1, 2, 7, 14, 15, 16, 1000])
    async def test_pages_of_any_size_give_each_name_once_in_order(self, lab: Lab, limit: int):
        where = await filled(lab, ODD)
        found = await pages(lab, where, limit)
        assert [info.path.name for page in found for info in page] == sorted(ODD, key=by_bytes)
        assert all(len(page) == limit for page in found[:-1])
        assert len(found) == -(-len(ODD) // limit)

    async def test_a_page_that_ends_with_the_folder_has_no_cursor(self, lab: Lab):
        where = await filled(lab, ["a", "b"])
        assert (await lab.files.list(lab.container, where, limit=2)).cursor == ""
        assert (await lab.files.list(lab.container, where, limit=1)).cursor == "a"
        assert (await lab.files.list(lab.container, where, after="b")).entries == ()
        assert (await lab.files.list(lab.container, where, after="zzz")).entries == ()

    async def test_pages_go_on_where_the_last_name_was_deleted_and_others_came(self, lab: Lab):
        where = await filled(lab, ["b", "d", "f", "h"])
        first = await lab.files.list(lab.container, where, limit=2)
        await lab.files.delete(lab.container, f"{where}/d")
        for name in ("a", "c", "e"):
            await lab.files.write(lab.container, f"{where}/{name}", b"")
        second = await lab.files.list(lab.container, where, after=first.cursor, limit=10)
        assert [info.path.name for info in second.entries] == ["e", "f", "h"]

    async def test_a_thousand_names_are_one_page_and_more_are_two(self, lab: Lab):
        names = [f"{i:04}" for i in range(1001)]
        where = await filled(lab, names)
        first, second = await pages(lab, where, 1000)
        assert [info.path.name for info in (*first, *second)] == names
        assert len(second) == 1
        await lab.files.delete(lab.container, where, recursive=True)

    @pytest.mark.parametrize(
        "wrong", [{"limit": 0}, {"limit": -1}, {"limit": 1001}, {"after": "a/b"}, {"after": "a\0"}]
    )
    async def test_wrong_pages_are_refused(self, lab: Lab, wrong: dict[str, Any]):
        where = await lab.folder()
        with pytest.raises(ValidationFailed) as caught:
            await lab.files.list(lab.container, where, **wrong)
        assert caught.value.details["field"] in wrong

    async def test_an_empty_folder_is_an_empty_page(self, lab: Lab):
        where = await lab.folder()
        page = await lab.files.list(lab.container, where)
        assert (page.entries, page.cursor) == ((), "")

    async def test_what_is_no_folder_cannot_be_listed(self, lab: Lab):
        where = await filled(lab, ["f"])
        with pytest.raises(FileFailed) as caught:
            await lab.files.list(lab.container, f"{where}/f")
        assert caught.value.details["reason"] == "not_directory"
        with pytest.raises(FileMissing):
            await lab.files.list(lab.container, f"{where}/none")

    async def test_a_file_that_is_being_written_is_not_listed(self, lab: Lab):
        where = await lab.folder()
        writing = asyncio.create_task(lab.files.write(lab.container, f"{where}/f", bytes(20_000_000)))
        seen: set[str] = set()
        while not writing.done():
            seen |= {info.path.name for info in (await lab.files.list(lab.container, where)).entries}
        await writing
        assert seen <= {"f"}

    async def test_a_file_is_described_wholly(self, lab: Lab):
        where = await lab.folder()
        before = datetime.now(UTC) - timedelta(seconds=60)
        await lab.files.write(lab.container, f"{where}/f", b"12345", mode=0o640)
        info = await lab.files.stat(lab.container, f"{where}/f")
        assert str(info.path) == f"/workspace/{where}/f"
        assert (info.type, info.size_bytes, info.mode, info.target) == (FileType.FILE, 5, 0o640, "")
        assert before < info.modified_at < before + timedelta(seconds=120)
        folder = await lab.files.stat(lab.container, where)
        assert (info.uid, info.gid) == (folder.uid, folder.gid)
        assert len(info.etag) == 32

    async def test_a_folder_is_described_without_an_etag(self, lab: Lab):
        where = await lab.folder()
        info = await lab.files.stat(lab.container, where)
        assert (info.type, info.etag, info.mode) == (FileType.DIRECTORY, "", 0o755)
        assert (await lab.files.stat(lab.container, ".")).type is FileType.DIRECTORY
        with pytest.raises(FileMissing):
            await lab.files.stat(lab.container, f"{where}/none")

    @needs(Trait.SHELL)
    async def test_links_and_pipes_are_described_themselves(self, lab: Lab):
        where = await filled(lab, ["f"])
        await lab.said(f"cd {where} && ln -s f link && ln -s none dangling && mkfifo pipe")
        entries = {info.path.name: info for info in (await lab.files.list(lab.container, where)).entries}
        assert {name: info.type.value for name, info in entries.items()} == {
            "dangling": "symlink",
            "f": "file",
            "link": "symlink",
            "pipe": "other",
        }
        assert entries["link"].target == "f"
        assert [name for name, info in entries.items() if info.etag] == ["f"]
        for name, info in entries.items():
            assert await lab.files.stat(lab.container, f"{where}/{name}") == info

    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o777, 0o400])
    async def test_a_mode_is_what_was_asked_for_and_stays(self, lab: Lab, claims: Claims, mode: int):
        where = await lab.folder()
        assert (await lab.files.write(lab.container, f"{where}/f", b"1", mode=mode)).info.mode == mode
        if mode & 0o200:
            assert (await lab.files.write(lab.container, f"{where}/f", b"2")).info.mode == mode
        elif claims.has(Clause.NON_ROOT):  # root may write it all the same
            with pytest.raises(FileFailed):
                await lab.files.write(lab.container, f"{where}/f", b"2")
        assert (await lab.files.list(lab.container, where)).entries[0].mode == mode
