"""Appends, links, moves, copies and modes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from devbench_core.errors import FileConflict, FileFailed, FileMissing, PathOutside
from devbench_core.files import Files
from devbench_core.model.file import FileType
from devbench_core.testing.kit.claims import Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.files_place import Place, WithPlace


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files.move, Files.copy, Files.chmod)
class FilesChangesContract(WithPlace):
    """Appends, links, moves, copies and modes."""

    @pytest.mark.parametrize("durable", [False, True])
    async def test_what_is_appended_stands_behind_what_was_there(self, place: Place, *, durable: bool):
        await place.write("f", b"one ", append=True)
        await place.write("f", b"two", append=True, durable=durable)
        assert await place.data("f") == b"one two"
        assert await place.names() == ["f"]

    async def test_fifty_appends_at_once_are_each_there_once(self, place: Place):
        await asyncio.gather(*(place.write("log", b"%d\n" % i, append=True) for i in range(50)))
        assert sorted((await place.data("log")).split(), key=int) == [b"%d" % i for i in range(50)]

    async def test_an_append_to_what_changed_is_a_conflict(self, place: Place):
        old = await place.write("f", b"a")
        now = await place.write("f", b"b")
        error = await place.refused(FileConflict, place.write("f", b"c", append=True, if_match=old))
        assert error.details["etag"] == now
        assert await place.data("f") == b"b"

    async def test_of_twenty_conditional_writers_one_wins(self, place: Place):
        etag = await place.write("f", b"old")
        writes = [place.write("f", b"%d" % i, if_match=etag) for i in range(20)]
        done = await asyncio.gather(*writes, return_exceptions=True)
        winners = [i for i, one in enumerate(done) if isinstance(one, str)]
        assert len(winners) == 1
        assert await place.data("f") == b"%d" % winners[0]
        now = (await place.files.stat(place.container, place.at("f"))).etag
        assert {one.details["etag"] for one in done if isinstance(one, FileConflict)} == {now}

    @needs(Trait.SEEN_PROCESSES)
    async def test_a_link_is_followed_or_replaced_as_asked(self, place: Place, outside: Path):
        await place.write("f", b"1")
        (outside / "link").symlink_to("f")
        await place.write("link", b"22")
        assert await place.data("f") == b"22"
        await place.write("link", b"333", replace_link=True)
        assert (await place.files.stat(place.container, place.at("link"))).type is FileType.FILE
        assert await place.data("f") == b"22"

    @needs(Trait.SEEN_PROCESSES)
    async def test_a_link_is_told_itself_or_what_it_points_to(self, place: Place, outside: Path):
        await place.write("f", b"12345")
        (outside / "link").symlink_to("f")
        (outside / "nowhere").symlink_to("missing")
        (outside / "away").symlink_to("/etc/passwd")
        link = await place.files.stat(place.container, place.at("link"))
        assert (link.type, link.target) == (FileType.SYMLINK, "f")
        assert (await place.files.stat(place.container, place.at("link"), follow=True)).size_bytes == 5
        for name, error in (("nowhere", FileMissing), ("away", PathOutside)):
            await place.refused(error, place.files.stat(place.container, place.at(name), follow=True))
            await place.files.stat(place.container, place.at(name))

    async def test_a_file_and_a_folder_are_moved_across_folders(self, place: Place):
        await place.write("a/f", b"f")
        await place.files.move(place.container, place.at("a/f"), place.at("b/c/g"), parents=True)
        await place.files.move(place.container, place.at("b"), place.at("a/b"))
        assert await place.data("a/b/c/g") == b"f"
        assert await place.names() == ["a"]

    async def test_a_move_replaces_only_when_it_is_asked_to(self, place: Place):
        await place.write("a", b"a")
        b = await place.write("b", b"b")
        error = await place.refused(
            FileConflict, place.files.move(place.container, place.at("a"), place.at("b"))
        )
        assert error.details["path"] == f"/workspace/{place.at('b')}"
        moved = await place.files.move(place.container, place.at("a"), place.at("b"), if_match_to=b)
        assert moved.replaced
        assert (await place.names(), await place.data("b")) == (["b"], b"a")

    @pytest.mark.parametrize("which", ["source", "target"])
    async def test_a_move_of_what_changed_is_a_conflict(self, place: Place, which: str):
        await place.write("a", b"a")
        await place.write("b", b"b")
        other = "0" * 32
        if_match, if_match_to = (other, None) if which == "source" else (None, other)
        error = await place.refused(
            FileConflict,
            place.files.move(
                place.container,
                place.at("a"),
                place.at("b"),
                overwrite=True,
                if_match=if_match,
                if_match_to=if_match_to,
            ),
        )
        name = place.at("a" if which == "source" else "b")
        now = await place.files.stat(place.container, name)
        assert (error.details["path"], error.details["etag"]) == (f"/workspace/{name}", now.etag)
        assert await place.data("b") == b"b"

    async def test_of_ten_moves_to_one_name_one_wins(self, place: Place):
        for i in range(10):
            await place.write(f"f{i}", b"%d" % i)
        moves = [place.files.move(place.container, place.at(f"f{i}"), place.at("g")) for i in range(10)]
        done = await asyncio.gather(*moves, return_exceptions=True)
        assert sum(isinstance(one, FileConflict) for one in done) == 9
        assert len(await place.names()) == 10

    @pytest.mark.parametrize("operation", ["move", "copy"])
    async def test_a_folder_goes_not_into_itself(self, place: Place, operation: str):
        await place.write("d/e/f", b"f")
        more = {"recursive": True} if operation == "copy" else {}
        call = getattr(place.files, operation)(place.container, place.at("d"), place.at("d/e/x"), **more)
        error = await place.refused(FileFailed, call)
        assert error.details["reason"] == "into_itself"
        assert await place.names("d/e") == ["f"]

    @needs(Trait.SEEN_PROCESSES)
    @pytest.mark.parametrize("operation", ["move", "copy"])
    @pytest.mark.parametrize("to", ["../../x", "/etc/x", "away/x"])
    async def test_nothing_is_moved_or_copied_out_of_the_workspace(
        self, place: Place, outside: Path, operation: str, to: str
    ):
        await place.write("f", b"f")
        (outside / "away").symlink_to("/tmp")
        target = to if to.startswith("/") else place.at(to)
        await place.refused(
            PathOutside, getattr(place.files, operation)(place.container, place.at("f"), target)
        )
        await place.refused(
            PathOutside, getattr(place.files, operation)(place.container, "/etc/passwd", place.at("x"))
        )

    @needs(Trait.SEEN_PROCESSES)
    async def test_a_folder_is_copied_whole_with_links_as_links(self, place: Place, outside: Path):
        for i in range(40):
            await place.write(f"d/{i % 4}/{i}", b"x" * i)
        (outside / "d/link").symlink_to("0/0")
        (outside / "d/away").symlink_to("/etc/passwd")
        copied = await place.files.copy(place.container, place.at("d"), place.at("e"), recursive=True)
        assert (copied.entries, copied.size_bytes) == (47, sum(range(40)))
        assert (outside / "e/away").readlink() == Path("/etc/passwd")
        assert await place.data("e/3/39") == b"x" * 39
        assert await place.names() == ["d", "e"]

    async def test_a_copy_of_a_file_keeps_its_mode_and_has_an_etag_of_its_own(self, place: Place):
        etag = await place.write("f", b"data", mode=0o755)
        copied = await place.files.copy(place.container, place.at("f"), place.at("g"))
        assert (copied.info.mode, copied.created) == (0o755, True)
        assert copied.info.etag not in {"", etag}
        assert copied.info == await place.files.stat(place.container, place.at("g"))
        await place.refused(FileConflict, place.files.copy(place.container, place.at("f"), place.at("g")))

    async def test_modes_of_a_tree_are_changed(self, place: Place):
        await place.write("d/e/f", b"")
        done = await place.files.chmod(place.container, place.at("d"), 0o640, recursive=True)
        assert (done.changed, done.info.mode) == (3, 0o750)
        assert (await place.files.stat(place.container, place.at("d/e/f"))).mode == 0o640

    @pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777, 0o2750])
    async def test_a_folder_is_made_with_a_mode(self, place: Place, mode: int):
        assert (await place.files.mkdir(place.container, place.at("d"), mode=mode)).mode == mode

    async def test_names_that_are_no_utf8_are_moved_and_copied(self, place: Place):
        name = "caf\udce9"
        await place.write(name, b"x")
        await place.files.copy(place.container, place.at(name), place.at("b\udcff"))
        await place.files.move(place.container, place.at(name), place.at("a\udcfe"))
        assert await place.names() == ["a\udcfe", "b\udcff"]
