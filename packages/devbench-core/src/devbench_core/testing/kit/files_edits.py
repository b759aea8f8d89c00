"""Edits, and reads of lines and text."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.errors import EditFailed, FileConflict, FileMissing, TextInvalid
from devbench_core.files import Files
from devbench_core.model.filechange import Replacement
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.files_place import Place, WithPlace


def swap(old: str, new: str) -> list[Replacement]:
    return [Replacement(old=old, new=new)]


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Files.edit, Files.read_lines)
class FilesEditsContract(WithPlace):
    """Edits, and reads of lines and text."""

    async def test_an_edit_changes_what_it_names_and_nothing_else(self, place: Place):
        etag = await place.write("f", b"\xff one\r\ntwo", mode=0o751)
        edited = await place.files.edit(
            place.container, place.at("f"), replacements=swap("one", "1"), if_match=etag
        )
        assert await place.data("f") == b"\xff 1\r\ntwo"
        assert edited.info.mode == 0o751
        await place.refused(
            FileConflict,
            place.files.edit(place.container, place.at("f"), replacements=swap("two", "2"), if_match=etag),
        )

    async def test_a_diff_applies_wholly_or_not_at_all(self, place: Place):
        await place.write("f", b"a\nb\nc\nd\n")
        both = "@@ -1 +1 @@\n-a\n+A\n@@ -4 +4 @@\n-{}\n+D\n"
        error = await place.refused(
            EditFailed, place.files.edit(place.container, place.at("f"), diff=both.format("x"))
        )
        assert (error.details["what"], error.details["index"]) == ("hunk", 1)
        assert await place.data("f") == b"a\nb\nc\nd\n"
        await place.files.edit(place.container, place.at("f"), diff=both.format("d"))
        assert await place.data("f") == b"A\nb\nc\nD\n"

    async def test_an_edit_that_does_not_fit_tells_the_nearest_line(self, place: Place):
        await place.write("f", b"def alpha():\n    return 1\n")
        error = await place.refused(
            EditFailed,
            place.files.edit(place.container, place.at("f"), replacements=swap("def alpah():", "x")),
        )
        assert error.details["nearest"] == [{"line": 1, "text": "def alpha():"}]

    async def test_edits_at_once_are_all_there(self, place: Place):
        await place.write("f", b"END")
        edits = [
            place.files.edit(place.container, place.at("f"), replacements=swap("END", f"{i} END"))
            for i in range(15)
        ]
        await asyncio.gather(*edits)
        assert sorted((await place.data("f")).split()[:-1], key=int) == [b"%d" % i for i in range(15)]

    async def test_twenty_clients_edit_the_same_five_files_and_every_edit_is_there_once(self, place: Place):
        """With them a program in the container, where the image has a shell: it claims a file by renaming it."""
        files = [f"f{i}" for i in range(5)]
        for name in files:
            await place.write(name, b"END\n")
        script = (
            "for i in 0 1 2 3 4; do for f in f0 f1 f2 f3 f4; do"
            " until mv $f mine.$f 2> /dev/null; do :; done;"
            ' { while read -r l; do [ "$l" = END ] && echo shell-$i; echo "$l"; done; } < mine.$f > new.$f;'
            " mv new.$f $f; rm mine.$f; done; done"
        )

        async def client(number: int) -> None:
            for name in files:
                change = swap("END\n", f"client-{number}\nEND\n")
                while True:
                    try:
                        await place.files.edit(place.container, place.at(name), replacements=change)
                        break
                    except (FileConflict, FileMissing):
                        continue

        shell = await place.start_shell(script)
        await asyncio.gather(*(client(number) for number in range(20)))
        loops = 5 if await place.ended_well(shell) else 0
        expected = sorted([f"client-{i}" for i in range(20)] + [f"shell-{i}" for i in range(loops)] + ["END"])
        for name in files:
            assert sorted((await place.data(name)).decode().splitlines()) == expected
        assert await place.names() == files

    @pytest.mark.parametrize(
        ("first", "count", "text", "number"),
        [
            (1, 1, "one\n", 1),
            (2, 2, "two\nthree\n", 2),
            (3, None, "three\nfour", 3),
            (-1, None, "four", 4),
            (9, 1, "", 5),
        ],
    )
    async def test_lines_are_read_with_their_numbers(
        self, place: Place, first: int, count: int | None, text: str, number: int
    ):
        etag = await place.write("f", b"one\ntwo\nthree\nfour")
        part = await place.files.read_lines(place.container, place.at("f"), first=first, count=count)
        assert (part.text, part.first_line, part.info.etag) == (text, number, etag)

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "latin-1", "utf-32"])
    async def test_text_is_read_and_edited_in_its_encoding(self, place: Place, encoding: str):
        await place.write("f", "eins\nzwölf\n".encode(encoding))
        part = await place.files.read_lines(place.container, place.at("f"), first=2, encoding=encoding)
        assert part.text == "zwölf\n"
        await place.files.edit(
            place.container, place.at("f"), replacements=swap("zwölf", "elf"), encoding=encoding
        )
        assert await place.data("f") == "eins\nelf\n".encode(encoding)

    async def test_text_that_is_none_names_the_byte(self, place: Place):
        await place.write("f", b"ok\n\xc3(")
        error = await place.refused(
            TextInvalid, place.files.read(place.container, place.at("f"), encoding="utf-8")
        )
        assert error.details["offset"] == 3
