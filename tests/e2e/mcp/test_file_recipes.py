"""The recipes of the guide to files, call by call."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from harness.mcp_program import Address, Tools, over_http

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "files.md"
CALL = re.compile(r"(?P<tool>\w+) (?P<arguments>\{.*\})(?: -> (?P<refused>\w+))?")


async def follow(tools: Tools, container: str, recipe: str) -> dict[str, Any]:
    """Make the calls of a recipe, and return what the last one gave."""
    etag, answer = "", dict[str, Any]()
    for line in recipe.strip().splitlines():
        call = CALL.fullmatch(line)
        assert call is not None, line
        arguments = json.loads(call["arguments"].replace("ETAG", etag))
        if call["refused"]:
            assert (await tools.error(call["tool"], container=container, **arguments))["code"] == call[
                "refused"
            ]
            continue
        answer = await tools(call["tool"], container=container, **arguments)
        etag = answer.get("file", {}).get("etag", etag)
    return answer


async def test_the_recipes_of_the_guide_do_what_they_say(program: Address):
    recipes = re.findall(r"```recipe\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(recipes) == 3
    async with over_http(program.url, "auto") as tools:
        container = str((await tools("spawn"))["container"]["id"])
        await tools("fs_write", container=container, path="app.ini", text="[net]\nretries = 3\nwait = 1\n")
        verified = await follow(tools, container, recipes[0])
        assert verified["exec"]["ending"]["exit_code"] == 0
        assert "".join(piece["text"] for piece in verified["output"]) == "retries = 5\n"
        await follow(tools, container, recipes[1])
        read = await tools("fs_read", container=container, path="app.ini")
        assert read["text"] == "[net]\nretries = 7\nwait = 1\n"
        await follow(tools, container, recipes[2])
        for name, text in {"a.txt": "1", "b.txt": "2"}.items():
            assert (await tools("fs_read", container=container, path=name))["text"] == text
        await tools("kill", container=container)
