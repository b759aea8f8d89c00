"""The tools for several changes at once and for archives, on real agents."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from devbench_core.errors import ArchiveRefused, FileConflict, FileMissing, TooLarge, ValidationFailed
from devbench_core.testing.kit.hostile_archives import by_tarfile, member, tar
from devbench_core.tools.base import BASE64_MAX_BYTES

Call = Callable[..., Awaitable[dict[str, Any]]]


async def test_several_changes_are_one_call(call: Call, container: str):
    written = await call("fs_write", container=container, path="a", text="1")
    done = await call(
        "fs_batch",
        container=container,
        operations=[
            {"op": "write", "path": "a", "text": "2", "if_match": written["file"]["etag"]},
            {"op": "write", "path": "d/bytes", "base64": "AAE=", "mode": "600"},
            {"op": "move", "path": "a", "target": "e/b"},
            {"op": "mkdir", "path": "f/g"},
            {"op": "delete", "path": "d", "recursive": True},
        ],
    )
    assert [outcome["created"] for outcome in done["outcomes"]] == [False, True, False, True, False]
    moved = await call("fs_read", container=container, path="e/b")
    assert (moved["text"], moved["file"]) == ("2", done["outcomes"][2]["file"])
    assert "file" not in done["outcomes"][4] or done["outcomes"][4]["file"] is None


async def test_edits_go_with_other_changes(call: Call, container: str):
    await call("fs_write", container=container, path="a.py", text="from old import f\nf()\n")
    edit = {"op": "edit", "path": "a.py", "edits": [{"old": "old", "new": "new"}]}
    done = await call(
        "fs_batch", container=container, operations=[edit, {"op": "write", "path": "new.py", "text": ""}]
    )
    read = await call("fs_read", container=container, path="a.py")
    assert (read["text"], read["file"]) == ("from new import f\nf()\n", done["outcomes"][0]["file"])
    diff = "@@ -2 +2 @@\n-f()\n+f(1)\n"
    await call("fs_batch", container=container, operations=[{"op": "edit", "path": "a.py", "diff": diff}])
    assert (await call("fs_read", container=container, path="a.py"))["text"].endswith("f(1)\n")
    for wrong in ({"op": "edit", "path": "a.py"}, edit | {"diff": diff}, edit | {"text": "x"}):
        with pytest.raises(ValidationFailed, match=r"operations\.0"):
            await call("fs_batch", container=container, operations=[wrong])


async def test_a_large_archive_is_written_in_parts_and_then_unpacked(call: Call, container: str):
    archive = tar(member("large", data=bytes(range(256)) * 5000), member("small", data=b"x"))
    for start in range(0, len(archive), 400_000):
        piece = base64.b64encode(archive[start : start + 400_000]).decode()
        await call("fs_write", container=container, path="in.tar", base64=piece, append=True)
    done = await call("fs_import", container=container, source="in.tar", path="to", format="tar")
    assert (done["files"], done["size_bytes"]) == (2, 256 * 5000 + 1)
    assert (await call("fs_stat", container=container, path="to/large"))["file"]["size_bytes"] == 256 * 5000
    with pytest.raises(ValidationFailed, match="source"):
        await call("fs_import", container=container, format="tar")
    with pytest.raises(FileMissing):
        await call("fs_import", container=container, source="absent", format="tar")


async def test_a_refused_batch_says_which_operation_and_changes_nothing(call: Call, container: str):
    await call("fs_write", container=container, path="a", text="1")
    operations: list[dict[str, Any]] = [
        {"op": "write", "path": "new", "text": ""},
        {"op": "write", "path": "a", "text": "", "if_match": "0" * 32},
    ]
    with pytest.raises(FileConflict) as caught:
        await call("fs_batch", container=container, operations=operations)
    assert caught.value.details["operation"] == 1
    with pytest.raises(FileMissing):
        await call("fs_stat", container=container, path="new")


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ({"op": "write", "path": "a"}, "operations.0.text"),
        ({"op": "move", "path": "a"}, "operations.0.target"),
        ({"op": "delete", "path": "a", "text": ""}, "operations.0.text"),
        ({"op": "mkdir", "path": "a", "recursive": True}, "operations.0.recursive"),
        ({"op": "write", "path": "a", "base64": "?"}, "operations.0.base64"),
    ],
)
async def test_bad_input_names_the_field(call: Call, container: str, operation: dict[str, Any], field: str):
    with pytest.raises(ValidationFailed) as caught:
        await call("fs_batch", container=container, operations=[operation])
    assert caught.value.details["field"] == field


@pytest.mark.parametrize("format_", ["tar", "tar.gz", "tar.zst", "zip"])
async def test_what_is_exported_is_imported(call: Call, container: str, format_: str):
    await call("fs_write", container=container, path="from/x", text="content")
    await call("fs_write", container=container, path="from/y.log", text="log")
    packed = await call("fs_export", container=container, path="from", format=format_, ignore=["*.log"])
    assert packed["size_bytes"] == len(base64.b64decode(packed["base64"]))
    done = await call(
        "fs_import", container=container, path="to", base64=packed["base64"], format=packed["format"]
    )
    assert (done["entries"], done["files"], done["size_bytes"]) == (1, 1, 7)
    assert (await call("fs_read", container=container, path="to/x"))["text"] == "content"


async def test_archives_are_refused_exactly(call: Call, container: str):
    async def given(data: bytes, **more: Any) -> None:
        encoded = base64.b64encode(data).decode()
        await call("fs_import", container=container, base64=encoded, format="tar", **more)

    with pytest.raises(ArchiveRefused) as caught:
        await given(tar(member("../x", b"")))
    assert caught.value.details == {"reason": "outside", "entry": "../x"}
    with pytest.raises(ArchiveRefused):
        await given(tar(member("x", b"", mode=0o4755)), set_id="refuse")
    with pytest.raises(TooLarge):
        await given(bytes(BASE64_MAX_BYTES + 1))
    await given(by_tarfile({"x": b"1"}))
    with pytest.raises(FileConflict):
        await given(by_tarfile({"x": b"2"}), overwrite=False)
    await call(
        "fs_write", container=container, path="large", base64=base64.b64encode(bytes(600_000)).decode()
    )
    with pytest.raises(TooLarge):
        await call("fs_export", container=container, format="tar")
