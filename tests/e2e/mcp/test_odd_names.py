"""Odd names and paths through MCP: each is handled exactly, or refused with the reason."""

from __future__ import annotations

import pytest

from harness.mcp_program import Address, Tools, over_http

BAD = "file:///workspace/odd/caf%E9"
"""A name that is not UTF-8, as results show it and as arguments take it."""
EXACT = (
    "a b ", "a.", "...", "..a", "-rf", "~", "$HOME", "%2e%2e", "a\\b", "a\nb", "\x1b[31m", "cafe\u0301", "caf\u00e9",
    "\u202egpj.exe", "\uff0e\uff0e", "..\uff0f..", "CON", "file:", "file:x", "\U0001f600", "n" * 255,
)  # fmt: skip
REFUSED = {
    "": "validation",
    "a\0b": "validation",
    "n" * 256: "validation",
    ".devbench-tmp-x": "validation",
    "file:///workspace/%zz": "validation",
    "file:///workspace/a%00b": "validation",
    "..": "path_outside_workspace",
    "/etc/passwd": "path_outside_workspace",
    "/workspacex": "path_outside_workspace",
    "/proc/self/root/etc/passwd": "path_outside_workspace",
    "file:///etc/passwd": "path_outside_workspace",
    "file:///workspace/%2e%2e/etc/passwd": "path_outside_workspace",
    "file:///workspace/..%2fetc/passwd": "path_outside_workspace",
}


async def spawned(tools: Tools) -> str:
    return str((await tools("spawn"))["container"]["id"])


async def test_a_name_that_is_not_utf8_survives_a_round_trip_through_every_tool(program: Address):
    async with over_http(program.url, "auto") as tools:
        box = await spawned(tools)
        await tools.run(
            box, "sh", "-c", r"mkdir odd; cd odd; n=$(printf 'caf\351'); echo hi > $n; ln -s $n link"
        )
        listed = {
            entry["path"]: entry for entry in (await tools("fs_list", container=box, path="odd"))["entries"]
        }
        assert set(listed) == {BAD, "/workspace/odd/link"}
        assert listed["/workspace/odd/link"]["target"] == "file:caf%E9"
        read = await tools("fs_read", container=box, path=BAD)
        assert (read["text"], read["file"]) == ("hi\n", listed[BAD])
        assert (await tools("fs_stat", container=box, path=BAD))["file"] == listed[BAD]
        cursor = (await tools("fs_watch", container=box, path="odd"))["cursor"]
        etag = read["file"]["etag"]
        written = await tools("fs_write", container=box, path=BAD, text="new", if_match=etag)
        assert (written["file"]["path"], written["created"]) == (BAD, False)
        change = (await tools("fs_watch", container=box, path="odd", cursor=cursor))["changes"][0]
        assert (change["kind"], change["path"]) == ("modified", BAD)
        late = await tools.error("fs_write", container=box, path=BAD, text="", if_match=etag)
        assert late["details"] == {"path": BAD, "etag": written["file"]["etag"], "if_match": etag}
        there = "file:///workspace/odd/%FF/caf%E9"
        assert (await tools("fs_copy", container=box, path=BAD, to=there))["file"]["path"] == there
        assert (await tools("fs_delete", container=box, path=BAD))["path"] == BAD
        assert (await tools("fs_move", container=box, path=there, to=BAD))["file"]["path"] == BAD
        folder = there.removesuffix("/caf%E9")
        shell = (await tools("shell_open", container=box, cwd=folder))["shell"]["id"]
        await tools("shell_run", shell_id=shell, script="mv ../caf* .")
        await tools("run", container=box, cwd=folder, argv=["sh", "-c", "mv caf* .."])
        assert (await tools("fs_delete", container=box, path=BAD))["path"] == BAD
        gone = await tools.error("fs_read", container=box, path=BAD)
        assert (gone["code"], gone["details"]["path"]) == ("file_not_found", BAD)


async def test_pages_go_on_after_a_name_that_is_not_utf8_or_looks_escaped(program: Address):
    async with over_http(program.url, "auto") as tools:
        box = await spawned(tools)
        names = r"'a\377' b file: file:%%41 'z\376' 'z\377'"
        await tools.run(box, "sh", "-c", f'mkdir p; cd p; for n in {names}; do : > $(printf "$n"); done')
        paths: list[str] = []
        cursor = ""
        while True:
            page = await tools("fs_list", container=box, path="p", limit=1, after=cursor)
            paths += [entry["path"] for entry in page["entries"]]
            cursor = page["cursor"]
            if not cursor:
                break
        plain = [f"/workspace/p/{name}" for name in ("b", "file:", "file:%41")]
        first, last = "file:///workspace/p/a%FF", ["file:///workspace/p/z%FE", "file:///workspace/p/z%FF"]
        assert paths == [first, *plain, *last]


async def test_an_odd_name_is_that_name(program: Address):
    async with over_http(program.url, "auto") as tools:
        box = await spawned(tools)
        for name in EXACT:
            written = await tools("fs_write", container=box, path=f"exact/{name}", text=name)
            assert written["file"]["path"] == f"/workspace/exact/{name}"
            assert (await tools("fs_read", container=box, path=f"/workspace/exact/{name}"))["text"] == name
        listed = [entry["path"] for entry in (await tools("fs_list", container=box, path="exact"))["entries"]]
        assert listed == [f"/workspace/exact/{name}" for name in sorted(EXACT, key=str.encode)]
        seen = await tools.run(
            box, "sh", "-c", "cd exact && for f in * .??*; do printf '%s\\0' \"$f\"; done | sort -z"
        )
        assert "".join(piece["text"] for piece in seen["output"]).split("\0")[:-1] == sorted(
            EXACT, key=str.encode
        )


@pytest.mark.parametrize("tool", ["fs_read", "fs_stat", "fs_list", "fs_delete", "fs_write", "fs_watch"])
async def test_what_is_no_path_or_leads_out_is_refused_by_every_tool(program: Address, tool: str):
    more = {"text": ""} if tool == "fs_write" else {}
    async with over_http(program.url, "auto") as tools:
        box = await spawned(tools)
        for path, code in REFUSED.items():
            refused = await tools.error(tool, container=box, path=path, **more)
            assert (path, refused["code"]) == (path, code)
        assert (await tools("fs_list", container=box))["entries"] == []
