"""Reads of lines and of text, through a real agent."""

from pathlib import PurePosixPath
from typing import Any

import pytest

from devbench_core.errors import FileFailed, FileMissing, TextInvalid, ValidationFailed
from devbench_core.files.media import media_type
from devbench_core.files.settings import FileLimits
from harness.agent_host import CONTAINER_ID as C
from harness.agent_host import Host, LocalAgent, open_host


async def test_lines_come_with_their_numbers_and_where_to_go_on(host: Host):
    written = await host.files.write(C, "f", b"one\ntwo\nthree\nfour")
    part = await host.files.read_lines(C, "f", first=2, count=2)
    assert (part.text, part.data) == ("two\nthree\n", b"two\nthree\n")
    assert (part.first_line, part.next_line, part.offset, part.next_offset) == (2, 4, 4, 14)
    assert (part.truncated, part.info) == (False, written.info)
    rest = await host.files.read_lines(C, "f", first=4)
    assert (rest.text, rest.next_line, rest.next_offset, rest.truncated) == ("four", None, None, False)
    last = await host.files.read_lines(C, "f", first=-2, count=1)
    assert (last.text, last.first_line, last.next_line) == ("three\n", 3, 4)


async def test_lines_beyond_the_end_say_how_many_there_are(host: Host):
    await host.files.write(C, "f", b"one\ntwo\n")
    beyond = await host.files.read_lines(C, "f", first=9)
    assert (beyond.text, beyond.first_line, beyond.next_line) == ("", 3, None)
    everything = await host.files.read_lines(C, "f", first=-9)
    assert (everything.text, everything.first_line) == ("one\ntwo\n", 1)


async def test_lines_that_do_not_fit_are_cut_and_go_on_by_bytes(host: Host):
    await host.files.write(C, "f", "é".encode() * 10 + b"\nnext\n")
    part = await host.files.read_lines(C, "f", max_bytes=5)
    assert (part.text, part.truncated) == ("éé", True)
    assert (part.next_line, part.next_offset) == (None, 4)
    rest = await host.files.read(C, "f", offset=4, encoding="utf-8")
    assert rest.text == "é" * 8 + "\nnext\n"
    whole_lines = await host.files.read_lines(C, "f", max_bytes=21)
    assert (whole_lines.next_line, whole_lines.truncated) == (2, True)


async def test_a_line_of_a_gibibyte_of_lines_travels_alone(local_agent: LocalAgent):
    file = local_agent.workspace / "big"
    with file.open("wb") as out:
        out.seek(2**30)
        out.write(b"\nlast line\n")
    limits = FileLimits(read_max_bytes=1000)
    async with open_host(local_agent.connect, local_agent.token, file_limits=limits) as host:
        found = await host.files.read_lines(C, "big", first=2, count=1)
        assert (found.text, found.offset, found.first_line) == ("last line\n", 2**30 + 1, 2)
        near = await host.files.read_lines(C, "big", first=-1)
        assert (near.text, near.first_line) == ("last line\n", None)


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "gb18030", "shift_jis"],
)
async def test_text_in_any_encoding_is_read_by_lines_and_whole(host: Host, encoding: str):
    text = "eins\nzwei\u3042\ndrei\n" if encoding in {"gb18030", "shift_jis"} else "eins\nzwei\u00e9\ndrei\n"
    await host.files.write(C, "f", text.encode(encoding))
    assert (await host.files.read(C, "f", encoding=encoding)).text == text
    assert (await host.files.read_lines(C, "f", encoding=encoding)).text == text
    second = await host.files.read_lines(C, "f", first=2, count=1, encoding=encoding)
    assert second.text == text.splitlines(keepends=True)[1]


async def test_text_that_is_none_names_the_position(host: Host):
    await host.files.write(C, "f", b"good\nba\xffd\nmore\n")
    with pytest.raises(TextInvalid, match="byte 7: ff") as error:
        await host.files.read(C, "f", encoding="utf-8")
    assert error.value.details["offset"] == 7
    with pytest.raises(TextInvalid, match="byte 7"):
        await host.files.read_lines(C, "f", first=2, count=1)
    assert (await host.files.read_lines(C, "f", first=3)).text == "more\n"
    replaced = await host.files.read(C, "f", encoding="utf-8", errors="replace")
    assert replaced.text == "good\nba\ufffdd\nmore\n"
    shown = await host.files.read(C, "f", encoding="utf-8", errors="backslashreplace")
    assert shown.text == "good\nba\\xffd\nmore\n"


async def test_a_character_that_a_part_cuts_belongs_to_the_next(host: Host):
    text = "a\u3042\U0001f600z"
    for encoding in ("utf-8", "utf-16-le", "shift_jis", "gb18030"):
        whole = text if encoding != "shift_jis" else "a\u3042z"
        await host.files.write(C, "f", whole.encode(encoding))
        got, offset = "", 0
        while True:
            part = await host.files.read(C, "f", offset=offset, max_bytes=4, encoding=encoding)
            got += part.text or ""
            if part.next_offset is None:
                break
            assert part.truncated
            offset = part.next_offset
        assert got == whole, encoding


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("first", {"first": 0}),
        ("count", {"count": 0}),
        ("max_bytes", {"max_bytes": -1}),
        ("encoding", {"encoding": "cp037"}),
        ("encoding", {"encoding": "hex"}),
        ("encoding", {"encoding": "idna"}),
        ("encoding", {"encoding": "iso-2022-jp"}),
        ("max_bytes", {"max_bytes": 3}),
        ("encoding", {"encoding": "\u00e9"}),
        ("encoding", {"encoding": ""}),
        ("errors", {"errors": "surrogateescape"}),
    ],
)
async def test_a_read_of_lines_that_is_none_is_refused_by_name(host: Host, field: str, more: dict[str, Any]):
    await host.files.write(C, "f", b"a")
    with pytest.raises(ValidationFailed) as error:
        await host.files.read_lines(C, "f", **more)
    assert error.value.details["field"] == field


async def test_an_order_of_bytes_that_is_not_known_is_refused(host: Host):
    await host.files.write(C, "f", "abc".encode("utf-16"))
    with pytest.raises(ValidationFailed, match="utf-16-le"):
        await host.files.read(C, "f", offset=2, encoding="utf-16")


async def test_lines_of_what_is_no_file_are_refused(host: Host, local_agent: LocalAgent):
    (local_agent.workspace / "d").mkdir()
    with pytest.raises(FileMissing):
        await host.files.read_lines(C, "missing")
    with pytest.raises(FileFailed):
        await host.files.read_lines(C, "d")


@pytest.mark.parametrize(
    ("name", "data", "by_name", "by_content"),
    [
        ("a.py", b"print()\n", "text/x-python", "text/plain"),
        ("a.ts", b"let a", "text/x-typescript", "text/plain"),
        ("a.json", b"{}", "application/json", "text/plain"),
        ("README", b"", "", "application/x-empty"),
        ("a.png", b"\x89PNG\r\n\x1a\n...", "image/png", "image/png"),
        ("a.txt", b"\x7fELF\2", "text/plain", "application/x-elf"),
        ("a.bin", b"\0\1\2", "application/octet-stream", "application/octet-stream"),
        ("a.tar.gz", b"\x1f\x8b", "application/gzip", "application/gzip"),
        ("a.txt.Z", b"\x1f\x9d", "", "application/octet-stream"),
        ("a.webp", b"RIFF1234WEBP", "image/webp", "image/webp"),
        ("a", "\u00e9".encode() * 3000, "", "text/plain"),
        ("a", b"x" + "\u00e9".encode() * 3000, "", "text/plain"),
    ],
)
def test_a_media_type_is_told_by_name_and_by_content(name: str, data: bytes, by_name: str, by_content: str):
    found = media_type(PurePosixPath("/workspace") / name, data)
    assert (found.by_name, found.by_content) == (by_name, by_content)


async def test_a_read_tells_the_media_type_where_it_saw_the_beginning(host: Host):
    await host.files.write(C, "f.md", b"# Title\n")
    assert (await host.files.read(C, "f.md")).media.by_content == "text/plain"
    later = await host.files.read(C, "f.md", offset=2)
    assert (later.media.by_name, later.media.by_content) == ("text/markdown", "")
