"""What clients rely on: names, arguments, results, hints and scopes of the built-in tools."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from devbench_core.tool import Tool
from devbench_core.tools.catalogue import TOOLS
from devbench_mcp.catalogue import input_schema, output_schema

SNAPSHOTS = runpy.run_path(str(Path(__file__).parent / "snapshots.py"))
every_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
DESCRIPTION_MIN, DESCRIPTION_MAX = 80, 700


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
def test_schemas_as_clients_get_them_are_valid_and_have_an_object_at_their_root(tool: Tool):
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
