"""Files beneath further roots, through MCP on each real runtime, over each transport, in each era."""

from __future__ import annotations

import asyncio
import base64
import io
import tarfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from mcp import types

from e2e.mcp.test_resources import updates
from harness.mcp_program import Tools

Configure = Callable[..., Path]
Connect = Callable[[Path], AbstractAsyncContextManager[Tools]]
ODD = "file:///tmp/job/caf%E9"
BATCHED = [
    {"op": "write", "path": "/tmp/job/batched", "text": "b"},
    {"op": "delete", "path": "/tmp/job/gone"},
]


async def test_every_tool_reaches_what_the_operator_opened(configure: Configure, connect: Connect):
    async with connect(configure(policy={"file_roots": ["/tmp"]})) as tools:
        spawned = (await tools("spawn"))["container"]
        assert (spawned["workspace"], spawned["file_roots"]) == ("/workspace", ["/tmp"])
        box = {"container": spawned["id"]}
        written = await tools("fs_write", **box, path="/tmp/job/in", text="one\ntwo\n")
        assert written["file"]["path"] == "/tmp/job/in"
        await tools.run(
            spawned["id"], "sh", "-c", "tr a-z A-Z < /tmp/job/in > /tmp/job/out; touch /tmp/job/gone"
        )
        read = await tools("fs_read", **box, path="/tmp/job/out")
        assert (read["text"], read["file"]["path"]) == ("ONE\nTWO\n", "/tmp/job/out")
        await everything_else(tools, box)
        await archives(tools, box)
        text = (await tools.client.read_resource(f"devbench://{spawned['id']}/files//tmp/job/out")).contents[
            0
        ]
        assert isinstance(text, types.TextResourceContents)
        assert text.text == "ONE\nTWO\n"


async def everything_else(tools: Tools, box: dict[str, Any]) -> None:
    cursor = (await tools("fs_watch", **box, path="/tmp/job"))["cursor"]
    edit = [{"old": "two", "new": "three"}]
    await tools("fs_edit", **box, path="/tmp/job/in", edits=edit)
    (change,) = (await tools("fs_watch", **box, path="/tmp/job", cursor=cursor, wait_s=10))["changes"]
    assert change["path"] == "/tmp/job/in"
    assert (await tools("fs_grep", **box, path="/tmp/job", pattern="three"))["matches"] == 1
    globbed = await tools("fs_glob", **box, path="/tmp", pattern="**/out")
    assert [entry["path"] for entry in globbed["entries"]] == ["/tmp/job/out"]
    await tools("fs_batch", **box, operations=BATCHED)
    await tools("fs_mkdir", **box, path="/tmp/job/made")
    await tools("fs_chmod", **box, path="/tmp/job/batched", mode="600")
    await tools("fs_move", **box, path="/tmp/job/batched", to="/tmp/job/made/moved")
    await tools("fs_copy", **box, path="/tmp/job/made", to="copied", recursive=True)
    await tools("fs_delete", **box, path="/tmp/job/made", recursive=True)
    assert (await tools("fs_stat", **box, path="copied/moved"))["file"]["mode"] == "0600"
    await tools("fs_write", **box, path=ODD, text="odd")
    listed = [entry["path"] for entry in (await tools("fs_list", **box, path="/tmp/job"))["entries"]]
    assert listed == [ODD, "/tmp/job/in", "/tmp/job/out"]
    await tools("fs_delete", **box, path=ODD)


async def archives(tools: Tools, box: dict[str, Any]) -> None:
    exported = await tools("fs_export", **box, path="/tmp/job", format="tar")
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(exported["base64"]))) as archive:
        assert archive.getnames() == ["in", "out"]
    await tools("fs_import", **box, path="/tmp/again", format="tar", base64=exported["base64"])
    assert (await tools("fs_read", **box, path="/tmp/again/out"))["text"] == "ONE\nTWO\n"


async def test_what_is_outside_is_refused_with_what_is_allowed(configure: Configure, connect: Connect):
    async with connect(configure(policy={"file_roots": ["/tmp", "/srv/absent"]})) as tools:
        box = {"container": (await tools("spawn"))["container"]["id"]}
        outside = await tools.error("fs_read", **box, path="/etc/passwd")
        assert outside["code"] == "path_outside_workspace"
        assert "/workspace or /tmp or /srv/absent" in outside["hint"]
        absent = await tools.error("fs_write", **box, path="/srv/absent/f", text="")
        assert (absent["code"], absent["details"]["reason"]) == ("file_failed", "no_root")
        mixed = [{"op": "write", "path": path, "text": ""} for path in ("/tmp/a", "b")]
        refused = await tools.error("fs_batch", **box, operations=mixed)
        assert (refused["code"], refused["details"]["operation"]) == ("validation", 1)
        await tools("fs_write", **box, path="f", text="")
        other = await tools.error("fs_move", **box, path="f", to="/tmp/f")
        assert (other["details"]["reason"], other["details"]["target_root"]) == ("other_file_system", "/tmp")


async def test_a_file_in_another_root_is_followed(configure: Configure, connect: Connect):
    async with connect(configure(policy={"file_roots": ["/tmp"]})) as tools:
        box = (await tools("spawn"))["container"]["id"]
        for path in ("/tmp/f", "f"):
            await tools("fs_write", container=box, path=path, text="1")
            async with updates(tools.client, f"devbench://{box}/files/{path}") as told:
                await tools("fs_write", container=box, path=path, text="2")
                await asyncio.wait_for(told.wait(), 20)
