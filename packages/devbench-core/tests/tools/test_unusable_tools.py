"""A tool that names what is not there says which tool it is and what it named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devbench_core.errors import DevbenchError
from devbench_core.hookspecs import hookimpl
from devbench_core.testing.fake import fake_bench
from devbench_core.tool import Tool, ToolHints, ToolInput, ToolOutput, ToolUnusable
from devbench_core.tools.call import call_tool

LOOKS = ToolHints(read_only=True, destructive=False, idempotent=True, open_world=False)


def tool(**values: Any) -> Tool:
    given: dict[str, Any] = {"input": ToolInput, "output": ToolOutput, "handler": "builtins:print", **values}
    return Tool(name="acme_odd", title="Odd", description="Odd.", hints=LOOKS, scope="read", **given)


@pytest.mark.parametrize("field", ["input", "output", "handler"])
@pytest.mark.parametrize(
    "place", ["", "module", "module:", ":name", "a-b:c", "a:b:c", "a..b:c", "a: b", "1a:b"]
)
def test_a_place_of_the_wrong_form_is_refused_when_the_tool_is_made(field: str, place: str):
    with pytest.raises(ValueError, match=f"tool 'acme_odd': {field} is "):
        tool(**{field: place})


@pytest.mark.parametrize("field", ["input", "output", "handler"])
@pytest.mark.parametrize(
    "place", ["acme_absent:Thing", "devbench_core.tool:Absent", "devbench_core.tool:LOCAL.no"]
)
def test_what_is_not_there_is_named_with_its_tool(field: str, place: str):
    with pytest.raises(ToolUnusable, match=f"tool 'acme_odd': its {field} '{place}' cannot be imported: "):
        getattr(tool(**{field: place}), field)


@pytest.mark.parametrize(
    ("field", "place", "fault"),
    [
        ("input", "devbench_core.tool:ToolOutput", "is no subclass of ToolInput"),
        ("output", "devbench_core.tool:LOCAL", "is no subclass of ToolOutput"),
        ("handler", "devbench_core.tool:LOCAL", "is not callable"),
    ],
)
def test_what_is_of_another_type_is_named_with_its_tool(field: str, place: str, fault: str):
    with pytest.raises(ToolUnusable, match=f"tool 'acme_odd': its {field} '{place}' {fault}"):
        getattr(tool(**{field: place}), field)


@pytest.mark.parametrize("field", ["input", "handler"])
async def test_calling_such_a_tool_says_that_it_is_faulty_without_internals(tmp_path: Path, field: str):
    class Plugin:
        @hookimpl
        def devbench_tools(self) -> list[Tool]:
            return [tool(**{field: "acme_absent:Thing"})]

    async with fake_bench(tmp_path, Plugin()) as fakes:
        with pytest.raises(DevbenchError) as caught:
            await call_tool(fakes.bench, "acme_odd")
    assert caught.value.message == "tool 'acme_odd' cannot be used: its plugin is faulty"
    assert "acme_absent" not in caught.value.hint
