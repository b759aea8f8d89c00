"""What clients rely on: names, arguments, results, hints and scopes of the built-in tools."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from devbench_core.model.caller import ALL_SCOPES
from devbench_core.tool import Tool
from devbench_core.tools.catalogue import TOOLS
from devbench_mcp.catalogue import input_schema, output_schema

SNAPSHOTS = runpy.run_path(str(Path(__file__).parent / "snapshots.py"))
every_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
DESCRIPTION_MIN, DESCRIPTION_MAX = 80, 700


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every part of a schema that has properties."""
    if isinstance(schema, list):
        for number, item in enumerate(cast("list[Any]", schema)):
            yield from objects(item, f"{path}[{number}]")
    if isinstance(schema, dict):
        table = cast("dict[str, Any]", schema)
        if "properties" in table:
            yield path, table
        for key, value in table.items():
            yield from objects(value, f"{path}.{key}")


@every_tool
def test_the_schema_is_the_one_that_clients_know(tool: Tool):
    file: Path = SNAPSHOTS["FOLDER"] / f"{tool.name}.json"
    assert file.read_text(encoding="utf-8") == SNAPSHOTS["rendered"]()[file.name], (
        f"the contract of {tool.name} changed; if that is meant, run: {SNAPSHOTS['COMMAND']}"
    )


def test_no_snapshot_is_left_of_a_tool_that_is_gone():
    files = {file.name for file in SNAPSHOTS["FOLDER"].glob("*.json")}
    assert files == {f"{tool.name}.json" for tool in TOOLS}


def test_the_tools_are_there_once_each():
    names = [tool.name for tool in TOOLS]
    assert set(names) == {
        *("spawn", "attach", "kill", "inspect", "list_containers", "exec_start", "exec_poll", "exec_wait"),
        *("run", "exec_signal", "exec_list", "exec_input", "exec_resize"),
        *(
            "shell_open",
            "shell_run",
            "shell_input",
            "shell_read",
            "shell_cancel",
            "shell_close",
            "shell_list",
        ),
        *("fs_edit", "fs_move", "fs_copy", "fs_mkdir", "fs_chmod"),
        *("exec_cancel", "fs_read", "fs_write", "fs_list", "fs_stat", "fs_delete", "images", "status"),
        *("fs_watch", "fs_link", "fs_glob", "fs_grep"),
        *("fs_batch", "fs_import", "fs_export"),
    }
    assert len(names) == len(set(names))


@every_tool
def test_every_field_of_arguments_and_results_is_described(tool: Tool):
    for schema in (input_schema(tool), output_schema(tool)):
        for path, part in objects(schema):
            for name, field in part["properties"].items():
                assert field.get("description"), f"{tool.name}{path}.{name} has no description"


@every_tool
def test_unknown_arguments_are_forbidden_at_every_level(tool: Tool):
    for path, part in objects(input_schema(tool)):
        assert part.get("additionalProperties") is False, f"{tool.name}{path}"


@every_tool
def test_schemas_are_valid_and_have_an_object_at_their_root(tool: Tool):
    for schema in (input_schema(tool), output_schema(tool)):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        json.dumps(schema)


@every_tool
def test_an_error_conforms_to_the_result_schema_and_nonsense_does_not(tool: Tool):
    validator: Any = jsonschema.Draft202012Validator(output_schema(tool))
    error: dict[str, object] = {
        "code": "conflict",
        "message": "m",
        "hint": "h",
        "retry": False,
        "details": {},
    }
    assert validator.is_valid({"error": error})
    assert not validator.is_valid({"error": {"code": 3}})
    assert not validator.is_valid({})


@every_tool
def test_the_description_teaches_but_does_not_flood(tool: Tool):
    assert DESCRIPTION_MIN <= len(tool.description) <= DESCRIPTION_MAX
    assert tool.title
    assert tool.scope in ALL_SCOPES


@every_tool
def test_hints_agree_with_each_other_and_with_the_scope(tool: Tool):
    hints = tool.hints
    assert not (hints.read_only and hints.destructive)
    assert not hints.read_only or tool.scope == "read"
    assert not hints.destructive or tool.scope in {"exec", "write", "manage"}


@every_tool
def test_every_name_in_backticks_exists(tool: Tool):
    """A description that sends an agent to a tool or argument that is not there misleads it."""
    known = {other.name for other in TOOLS} | ENDURING
    for schema in (input_schema(tool), output_schema(tool)):
        for _, part in objects(schema):
            known |= set(part["properties"])
    for other in TOOLS:
        known |= {*other.input.model_fields, *other.output.model_fields}
    for word in re.findall(r"`([^`]+)`", tool.description):
        assert set(word.split(".")) <= known, f"{tool.name} speaks of {word!r}"


ENDURING = {
    "archive_refused",
    "too_large",
    "container_exited",
    "edit_failed",
    "concurrency_limit",
    "exec_purged",
    "file_conflict",
    "file_not_found",
    "input_unavailable",
    "shell_busy",
    "unknown",
    "end",
} | {
    "argv",
    "find",
    "host",
}
"""Error codes and values that descriptions may name."""
