"""The tools that read lines and change files in place, on a real agent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from devbench_core.errors import EditFailed, FileConflict, FileFailed, TextInvalid, ValidationFailed

Call = Callable[..., Awaitable[dict[str, Any]]]


async def write(call: Call, container: str, path: str, text: str, **more: Any) -> str:
    written = await call("fs_write", container=container, path=path, text=text, **more)
    return str(written["file"]["etag"])


async def test_lines_are_read_with_where_to_go_on(call: Call, container: str):
    await write(call, container, "f.py", "one\ntwo\nthree\n")
    page = await call("fs_read", container=container, path="f.py", first_line=2, lines=1)
    assert (page["text"], page["first_line"], page["next_line"]) == ("two\n", 2, 3)
    assert (page["media_type_by_name"], page["truncated"]) == ("text/x-python", False)
    last = await call("fs_read", container=container, path="f.py", first_line=-1)
    assert (last["text"], last["first_line"], last.get("next_line")) == ("three\n", 3, None)
    with pytest.raises(ValidationFailed, match="offset"):
        await call("fs_read", container=container, path="f.py", first_line=1, offset=1)
    with pytest.raises(ValidationFailed, match="first"):
        await call("fs_read", container=container, path="f.py", first_line=0)


async def test_text_in_a_named_encoding_is_text_or_names_the_position(call: Call, container: str):
    await call("fs_write", container=container, path="f", base64="/+k=")
    page = await call("fs_read", container=container, path="f", encoding="latin-1")
    assert (page["text"], page["encoding"]) == ("\u00ff\u00e9", "iso8859-1")
    with pytest.raises(TextInvalid, match="byte 0"):
        await call("fs_read", container=container, path="f", encoding="utf-8")
    shown = await call("fs_read", container=container, path="f", encoding="utf-8", errors="backslashreplace")
    assert shown["text"] == r"\xff\xe9"
    assert (await call("fs_read", container=container, path="f", first_line=1))["base64"] == "/+k="
    with pytest.raises(ValidationFailed, match="encoding"):
        await call("fs_read", container=container, path="f", encoding="rot13")


async def test_a_long_line_is_cut_and_read_on_by_bytes(call: Call, container: str):
    await write(call, container, "f", "\u00e9" * 100_000 + "\nend\n")
    page = await call("fs_read", container=container, path="f", first_line=1, max_bytes=99)
    assert page["truncated"] is True
    assert page.get("next_line") is None
    text = page["text"]
    while "next_offset" in page:
        page = await call("fs_read", container=container, path="f", offset=page["next_offset"])
        text += page["text"]
    assert text == "\u00e9" * 100_000 + "\nend\n"


async def test_a_file_is_edited_by_replacements_or_a_diff(call: Call, container: str):
    etag = await write(call, container, "f", "a\nb\nb\n")
    edits = [{"old": "a", "new": "A"}, {"old": "b", "new": "B", "count": 0}]
    done = await call("fs_edit", container=container, path="f", edits=edits, if_match=etag)
    assert [place["line"] for place in done["places"]] == [1, 2, 3]
    assert (done["before"], done["changes"], done["attempts"]) == (etag, 3, 1)
    done = await call("fs_edit", container=container, path="f", diff="@@ -1,2 +1 @@\n-A\n B\n")
    assert (await call("fs_read", container=container, path="f"))["text"] == "B\nB\n"
    with pytest.raises(FileConflict):
        await call("fs_edit", container=container, path="f", edits=edits[1:], if_match=etag)
    with pytest.raises(EditFailed, match="replacement 1 was to be there once and is 2 times, in line 1, 2"):
        await call("fs_edit", container=container, path="f", edits=[{"old": "B", "new": "x"}])
    for more in ({}, {"edits": edits, "diff": ""}):
        with pytest.raises(ValidationFailed, match="edits"):
            await call("fs_edit", container=container, path="f", **more)


async def test_files_are_appended_moved_copied_and_made_executable(call: Call, container: str):
    await write(call, container, "log", "one\n", append=True)
    await write(call, container, "log", "two\n", append=True, durable=True)
    moved = await call("fs_move", container=container, path="log", to="new/log")
    assert (moved["file"]["path"], moved["replaced"]) == ("/workspace/new/log", False)
    copied = await call("fs_copy", container=container, path="new", to="old", recursive=True)
    assert (copied["entries"], copied["size_bytes"]) == (2, 8)
    with pytest.raises(FileConflict):
        await call("fs_copy", container=container, path="new/log", to="old/log")
    again = await call("fs_copy", container=container, path="new/log", to="old/log", overwrite=True)
    assert again["created"] is False
    changed = await call("fs_chmod", container=container, path="old", mode="750", recursive=True)
    assert (changed["changed"], changed["file"]["mode"]) == (2, "0750")
    made = await call("fs_mkdir", container=container, path="x/y", mode="1777")
    assert made["folder"]["mode"] == "1777"
    with pytest.raises(FileFailed):
        await call("fs_mkdir", container=container, path="x/y", parents=False)


async def test_a_link_is_looked_at_and_replaced_as_asked(call: Call, container: str):
    await write(call, container, "f", "1234")
    await call("run", container=container, argv=["ln", "-s", "f", "link"])
    link = await call("fs_stat", container=container, path="link")
    assert (link["file"]["type"], link["file"]["target"]) == ("symlink", "f")
    assert (await call("fs_stat", container=container, path="link", follow=True))["file"]["size_bytes"] == 4
    await write(call, container, "link", "x", link="replace")
    assert (await call("fs_stat", container=container, path="link"))["file"]["type"] == "file"
