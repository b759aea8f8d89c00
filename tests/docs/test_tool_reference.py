"""The tool reference is current, and no tool is missing in it."""

from __future__ import annotations

import runpy
from pathlib import Path

from devbench_core.tools.catalogue import TOOLS

SCRIPT = Path(__file__).parents[2] / "scripts" / "docs" / "tools_reference.py"


def test_the_tool_reference_is_current():
    module = runpy.run_path(str(SCRIPT))
    page: Path = module["PATH"]
    assert page.read_text(encoding="utf-8") == module["render"](), (
        "run: uv run python scripts/docs/tools_reference.py"
    )


def test_every_tool_and_argument_is_in_it():
    text = runpy.run_path(str(SCRIPT))["PATH"].read_text(encoding="utf-8")
    for tool in TOOLS:
        assert f"\n## {tool.name}\n" in text
        for name in tool.input.model_fields:
            assert f"| `{name}`" in text
