"""The tools that search, on a real agent."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from devbench_core.errors import ValidationFailed

Call = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def tree(call: Call, container: str) -> str:
    files = {
        "a.py": "import os\nx = 1\ny = 2\nprint(os)\n",
        "src/b.py": "import os\n",
        "src/deep/c.txt": "nothing",
        ".github/ci.yml": "run: os\n",
        ".gitignore": "deep/\n",
    }
    for path, text in files.items():
        await call("fs_write", container=container, path=path, text=text)
    await call("fs_write", container=container, path="bin", base64=base64.b64encode(b"import os\0").decode())
    return container


def names(page: dict[str, Any]) -> list[str]:
    return [entry["path"].removeprefix("/workspace/") for entry in page["entries"]]


async def test_grep_answers_as_grep_does_and_says_what_it_left_out(call: Call, tree: str):
    page = await call("fs_grep", container=tree, pattern=r"\bos\b", exclude=[".github"])
    assert page["text"] == "a.py:1:import os\na.py:4:print(os)\nsrc/b.py:1:import os\n"
    assert [(file["path"], file["matches"]) for file in page["files"]] == [
        ("/workspace/a.py", 2),
        ("/workspace/src/b.py", 1),
    ]
    assert (page["matches"], page["cursor"]) == (3, "")
    assert page["notes"] == ["1 binary files were not searched."]
    read = await call("fs_read", container=tree, path="a.py")
    assert read["file"]["etag"] == page["files"][0]["etag"]


async def test_grep_goes_on_where_it_stopped(call: Call, tree: str):
    first = await call("fs_grep", container=tree, pattern="import", limit=1)
    assert first["text"] == "a.py:1:import os\n"
    assert "call again with `cursor`" in first["notes"][0]
    second = await call("fs_grep", container=tree, pattern="import", limit=1, after=first["cursor"])
    assert second["text"] == "src/b.py:1:import os\n"


async def test_grep_shows_lines_around_with_marks_between(call: Call, tree: str):
    page = await call(
        "fs_grep", container=tree, pattern="x|print", path="a.py", context_before=0, context_after=1
    )
    assert page["text"] == "a.py:2:x = 1\na.py-3-y = 2\na.py:4:print(os)\n"
    page = await call("fs_grep", container=tree, pattern="import", context_after=1, include=["*.py"])
    assert page["text"] == "a.py:1:import os\na.py-2-x = 1\n--\nsrc/b.py:1:import os\n"


async def test_grep_gives_names_and_counts(call: Call, tree: str):
    page = await call("fs_grep", container=tree, pattern="os", mode="names", include=["*.py"])
    assert (page["text"], page["matches"]) == ("a.py\nsrc/b.py\n", 2)
    page = await call(
        "fs_grep", container=tree, pattern="OS", ignore_case=True, mode="counts", include=["*.py"]
    )
    assert page["text"] == "a.py:2\nsrc/b.py:1\n"


async def test_grep_says_which_lines_were_cut(call: Call, container: str):
    await call("fs_write", container=container, path="f", text="a" * 100 + "needle" + "b" * 100)
    page = await call("fs_grep", container=container, pattern="needle", line_bytes=20)
    assert page["text"] == "f:1:…aaaaaneedlebbbbbbbbb…\n"
    assert page["notes"] == ["1 lines were cut to 20 bytes (…); raise line_bytes or use fs_read."]


async def test_a_pattern_that_is_none_is_refused_with_its_place(call: Call, tree: str):
    with pytest.raises(ValidationFailed) as error:
        await call("fs_grep", container=tree, pattern="a(b")
    assert error.value.details["position"] == 1


async def test_glob_finds_by_name(call: Call, tree: str):
    page = await call("fs_glob", container=tree, pattern="**/*.{py,txt}")
    assert names(page) == ["a.py", "src/b.py", "src/deep/c.txt"]
    page = await call("fs_glob", container=tree, pattern="**/*.{py,txt}", gitignore=True, path="src")
    assert names(page) == ["src/b.py"]
    first = await call("fs_glob", container=tree, pattern="**/*.py", limit=1)
    second = await call("fs_glob", container=tree, pattern="**/*.py", limit=1, after=first["cursor"])
    assert names(first) + names(second) == ["a.py", "src/b.py"]
    assert second["cursor"] == ""


async def test_list_goes_down_when_asked(call: Call, tree: str):
    page = await call("fs_list", container=tree, recursive=True, hidden=False, gitignore=True)
    assert names(page) == ["a.py", "bin", "src", "src/b.py"]
    assert names(await call("fs_list", container=tree, depth=2, path="src")) == [
        "src/b.py",
        "src/deep",
        "src/deep/c.txt",
    ]
    assert names(await call("fs_list", container=tree, hidden=False)) == ["a.py", "bin", "src"]
    assert names(await call("fs_list", container=tree, recursive=True, include=["*.yml"])) == [
        ".github/ci.yml"
    ]
