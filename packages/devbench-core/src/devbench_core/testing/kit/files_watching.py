"""Watching, on each runtime and image."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.errors import FileMissing, PathOutside
from devbench_core.files import Files
from devbench_core.model.change import ChangeKind, FileChange, FileChanges
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab
from devbench_core.testing.kit.host_opening import WithHost

WAIT_S = 20.0
Told = tuple[str, str]


def told(page: FileChanges) -> list[Told]:
    """Return kinds and names."""
    return [(change.kind.value, change.path.name) for change in page.changes]


async def until(lab: Lab, where: str, cursor: str, *wanted: Told) -> tuple[list[FileChange], str]:
    """Read until all of these were told."""
    seen: list[FileChange] = []
    async with asyncio.timeout(WAIT_S):
        while not {*wanted} <= {(change.kind.value, change.path.name) for change in seen}:
            page = await lab.files.changes(lab.container, where, cursor=cursor, wait_s=5)
            assert not page.rescan
            seen += page.changes
            cursor = page.cursor
    return seen, cursor


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files.changes, FileChanges)
class FilesWatchingContract(WithHost):
    """Watching."""

    async def test_writes_through_devbench_are_told(self, lab: Lab):
        where = await lab.folder()
        cursor = (await lab.files.changes(lab.container, where)).cursor
        await lab.files.write(lab.container, f"{where}/new", b"1")
        _, cursor = await until(lab, where, cursor, ("created", "new"))
        await lab.files.write(lab.container, f"{where}/new", b"2")
        _, cursor = await until(lab, where, cursor, ("modified", "new"))
        await lab.files.delete(lab.container, f"{where}/new")
        seen, _ = await until(lab, where, cursor, ("deleted", "new"))
        assert [change.kind for change in seen] == [ChangeKind.DELETED]

    async def test_new_folders_are_followed_at_once(self, lab: Lab):
        where = await lab.folder()
        cursor = (await lab.files.changes(lab.container, where)).cursor
        await lab.files.write(lab.container, f"{where}/a/b/c/f", b"1", parents=True)
        seen, cursor = await until(
            lab, where, cursor, ("created", "a"), ("created", "b"), ("created", "c"), ("created", "f")
        )
        assert len(seen) == 4
        await lab.files.write(lab.container, f"{where}/a/b/c/g", b"1")
        await until(lab, where, cursor, ("created", "g"))

    async def test_two_readers_get_the_same(self, lab: Lab):
        where = await lab.folder()
        cursor = (await lab.files.changes(lab.container, where)).cursor
        await lab.files.mkdir(lab.container, f"{where}/x")
        one, two = await asyncio.gather(
            *(lab.files.changes(lab.container, where, cursor=cursor, wait_s=10) for _ in range(2))
        )
        assert one == two
        assert told(one) == [("created", "x")]

    async def test_a_quiet_wait_ends_with_nothing_and_the_same_cursor(self, lab: Lab):
        where = await lab.folder()
        cursor = (await lab.files.changes(lab.container, where)).cursor
        page = await lab.files.changes(lab.container, where, cursor=cursor, wait_s=0.2)
        assert (page.changes, page.cursor, page.rescan) == ((), cursor, False)

    async def test_a_folder_that_is_deleted_whole_is_told_and_a_watch_of_it_ends(self, lab: Lab):
        where = await lab.folder()
        await lab.files.write(lab.container, f"{where}/d/f", b"1", parents=True)
        outer = (await lab.files.changes(lab.container, where)).cursor
        inner = (await lab.files.changes(lab.container, f"{where}/d")).cursor
        await lab.files.delete(lab.container, f"{where}/d", recursive=True)
        await until(lab, where, outer, ("deleted", "d"))
        with pytest.raises(FileMissing):
            await lab.files.changes(lab.container, f"{where}/d", cursor=inner, wait_s=10)

    async def test_nothing_outside_can_be_watched(self, lab: Lab):
        with pytest.raises(PathOutside):
            await lab.files.changes(lab.container, "/etc")
        with pytest.raises(PathOutside):
            await lab.files.changes(lab.container, "../..")

    @needs(Trait.SHELL)
    async def test_what_commands_do_is_told(self, lab: Lab):
        where = await lab.folder()
        cursor = (await lab.files.changes(lab.container, where)).cursor
        await lab.said(f"cd {where} && mkdir src && echo 1 > src/a && mv src lib")
        _, cursor = await until(lab, where, cursor, ("moved", "lib"), ("created", "a"))
        await lab.said(f"echo 2 >> {where}/lib/a")
        await until(lab, where, cursor, ("modified", "a"))
