"""A tool's models and its handler may be named, and are imported when they are first asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import attrs
import pytest

from devbench_core.tool import Tool, ToolHints, ToolInput, ToolOutput
from devbench_core.tools.catalogue import TOOLS

HINTS = ToolHints(read_only=True, destructive=False, idempotent=True, open_world=False)
MODULE = "acme_late_tool"
SOURCE = """
from devbench_core.tool import ToolInput, ToolOutput

class Given(ToolInput):
    word: str

class Told(ToolOutput):
    word: str

async def tell(context, given):
    return Told(word=given.word)
"""


def test_what_a_tool_names_is_imported_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / f"{MODULE}.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    tool = Tool(
        name="tell",
        title="Tell",
        description="Tells.",
        input=f"{MODULE}:Given",
        output=f"{MODULE}:Told",
        hints=HINTS,
        scope="read",
        handler=f"{MODULE}:tell",
    )
    assert MODULE not in sys.modules
    try:
        assert tool.input.model_validate({"word": "hi"}).model_dump() == {"word": "hi"}
        assert tool.output.__name__ == "Told"
        assert tool.handler is sys.modules[MODULE].tell
        assert attrs.evolve(tool, name="say").input is tool.input
    finally:
        sys.modules.pop(MODULE, None)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_built_in_tool_names_what_is_there(tool: Tool):
    assert issubclass(tool.input, ToolInput)
    assert issubclass(tool.output, ToolOutput)
    assert callable(tool.handler)
