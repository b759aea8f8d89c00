"""Calling a tool: arguments, scopes and errors are the same behind every front end."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import devbench_core
from devbench_core.errors import (
    ContainerNotFound,
    FileConflict,
    PluginNotFound,
    Unauthorised,
    ValidationFailed,
)
from devbench_core.model.caller import Caller
from devbench_core.tools.call import call_tool, error_payload
from devbench_core.tools.payload import error_text

Call = Callable[..., Awaitable[dict[str, Any]]]


async def refused(bench: devbench_core.Bench, tool: str, arguments: dict[str, object]) -> ValidationFailed:
    with pytest.raises(ValidationFailed) as caught:
        await call_tool(bench, tool, arguments)
    return caught.value


async def test_an_unknown_tool_names_the_nearest(bench: devbench_core.Bench):
    with pytest.raises(PluginNotFound, match="exec_strat") as caught:
        await call_tool(bench, "exec_strat", {})
    assert caught.value.hint == "did you mean 'exec_start'?"


async def test_an_unknown_argument_is_refused_by_name(bench: devbench_core.Bench):
    error = await refused(bench, "spawn", {"imagee": "x"})
    assert error.details["field"] == "imagee"
    assert error.hint == "did you mean 'image'?"


async def test_an_unknown_argument_of_a_nested_object_is_refused_by_its_path(bench: devbench_core.Bench):
    error = await refused(bench, "spawn", {"policy": {"memory": 5}})
    assert error.details["field"] == "policy.memory"
    assert error.hint == "did you mean 'memory_bytes'?"


@pytest.mark.parametrize(
    ("tool", "arguments", "field", "limit"),
    [
        ("exec_poll", {"exec_id": "x", "wait_s": 61}, "wait_s", 60),
        ("exec_poll", {"exec_id": "x", "after": -1}, "after", 0),
        ("exec_poll", {"exec_id": "x", "after": "1"}, "after", None),
        ("exec_poll", {"exec_id": "x", "until": "never"}, "until", "'output' or 'end'"),
        ("exec_start", {"container": "c", "argv": []}, "argv", 1),
        ("exec_start", {"container": "c", "argv": "ls"}, "argv", None),
        ("fs_list", {"container": "c", "limit": 501}, "limit", 500),
        ("fs_write", {"container": "c", "path": "p", "text": "", "mode": "rwx"}, "mode", "^[0-7]{3,4}$"),
        ("spawn", {"ttl_s": 0}, "ttl_s", 0),
        ("spawn", {"persistent": 1}, "persistent", None),
    ],
)
async def test_each_wrong_argument_names_its_field_and_limit(
    bench: devbench_core.Bench, tool: str, arguments: dict[str, object], field: str, limit: object
):
    error = await refused(bench, tool, arguments)
    assert error.details["field"] == field
    assert error.details.get("limit") == limit


async def test_a_number_that_is_none_is_refused(bench: devbench_core.Bench):
    error = await refused(bench, "spawn", {"ttl_s": float("nan")})
    assert error.details["field"] == "ttl_s"


async def test_half_a_surrogate_pair_is_refused(bench: devbench_core.Bench):
    await refused(bench, "fs_write", {"container": "c", "path": "p", "text": "\ud800"})


async def test_a_missing_argument_is_explained(bench: devbench_core.Bench):
    error = await refused(bench, "fs_read", {"container": "c"})
    assert error.details["field"] == "path"
    assert "workspace" in error.hint


async def test_a_mistyped_name_comes_before_what_is_missing_for_it(bench: devbench_core.Bench):
    error = await refused(bench, "fs_read", {"container": "c", "pth": "a"})
    assert error.message == "pth: is no argument here; path: is missing"
    assert error.hint == "did you mean 'path'?"


async def test_a_caller_without_the_scope_learns_nothing_about_arguments(bench: devbench_core.Bench):
    caller = Caller(subject="looker", scopes=frozenset({"read"}))
    with pytest.raises(Unauthorised, match="manage"):
        await call_tool(bench, "kill", {"nonsense": True}, caller=caller)


async def test_each_scope_opens_its_tools_and_no_others(bench: devbench_core.Bench):
    for tool in bench.tools.values():
        for scope in ("read", "exec", "write", "manage"):
            caller = Caller(scopes=frozenset({scope}))
            with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is what is looked at
                await call_tool(bench, tool.name, {"nonsense": True}, caller=caller)
            assert isinstance(caught.value, Unauthorised) == (scope != tool.scope)


async def test_another_tenant_sees_nothing(call: Call, container: str):
    other = Caller(tenant="other")
    assert (await call("list_containers", by=other))["containers"] == []
    with pytest.raises(ContainerNotFound):
        await call("inspect", container=container, by=other)


def test_an_error_is_shown_with_all_that_a_program_needs():
    error = FileConflict(
        "'a' changed", hint="read it again", details={"etag": "e", "odd": {1, 2}, "at": object}
    )
    payload = error_payload(error)
    assert set(payload) == {"code", "message", "hint", "retry", "details"}
    assert payload["code"] == "file_conflict"
    assert payload["retry"] is False
    json.dumps(payload)
    assert error_text(error).splitlines() == [
        "file_conflict: 'a' changed",
        "hint: read it again",
        "retry: no, change something first",
    ]
