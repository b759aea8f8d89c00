"""Tools behave the same in both eras of the protocol."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from mcp import Client, types

import devbench_core
from harness.toolbox import Serve, Toolbox

BUILT_IN = {
    *("spawn", "attach", "kill", "inspect", "list_containers", "exec_start", "exec_poll", "exec_wait"),
    *("run", "exec_signal", "exec_list", "exec_input", "exec_resize"),
    *("shell_open", "shell_run", "shell_input", "shell_read", "shell_cancel", "shell_close", "shell_list"),
    *("fs_edit", "fs_move", "fs_copy", "fs_mkdir", "fs_chmod"),
    *("exec_cancel", "fs_read", "fs_write", "fs_list", "fs_stat", "fs_delete", "images", "status"),
    *("fs_watch", "fs_link", "fs_glob", "fs_grep"),
    *("fs_batch", "fs_import", "fs_export"),
}


def text_of(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


def error_of(result: types.CallToolResult) -> dict[str, Any]:
    assert result.is_error
    return cast("dict[str, Any]", result.structured_content["error"])


async def test_the_client_and_the_server_speak_the_era_that_was_asked_for(serve: Serve, era: str):
    async with serve() as served, Client(served.url, mode=era) as client:
        assert client.protocol_version == {"legacy": "2025-11-25"}.get(era, era)


async def test_a_client_that_negotiates_by_itself_knows_the_server(serve: Serve):
    async with serve() as served, Client(served.url) as client:
        assert client.server_info is not None
        assert client.server_info.name == "devbench"


async def test_the_instructions_are_a_workflow_of_ten_lines(serve: Serve):
    async with serve() as served, Client(served.url, mode="legacy") as client:
        lines = (client.instructions or "").strip().splitlines()
        assert [line.partition(".")[0] for line in lines[1:]] == [str(number) for number in range(1, 11)]


async def test_a_client_that_negotiates_by_itself_gets_instructions_too(serve: Serve):
    async with serve() as served, Client(served.url) as client:
        assert client.protocol_version == "2026-07-28"
        assert "`spawn`" in (client.instructions or "")


async def test_tools_of_core_and_of_a_plugin_are_listed_with_all_that_a_client_needs(serve: Serve, era: str):
    async with serve() as served, Client(served.url, mode=era) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == BUILT_IN | {"acme_echo", "acme_wait", "acme_busy", "acme_broken"}
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema is not None
        hints = tool.annotations
        assert hints is not None
        assert None not in {hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint}
        assert hints.open_world_hint is not None


async def test_a_plugins_tool_is_called_with_the_caller_and_the_clients_name(serve: Serve, era: str):
    info = types.Implementation(name="tester", version="1")
    async with serve() as served, Client(served.url, mode=era, client_info=info) as client:
        result = await client.call_tool("acme_echo", {"text": "hé", "times": 2})
    assert result.structured_content == {"text": "héhé", "subject": "local", "client": "tester"}
    assert text_of(result) == '{"text":"héhé","subject":"local","client":"tester"}'


async def test_an_unknown_argument_is_refused_by_name_with_the_nearest(serve: Serve, era: str):
    async with serve() as served, Client(served.url, mode=era) as client:
        result = await client.call_tool("acme_echo", {"txt": "hello"})
    error = error_of(result)
    assert error["code"] == "validation"
    assert error["details"]["field"] == "txt"
    assert error["hint"] == "did you mean 'text'?"
    assert error["retry"] is False
    assert text_of(result).splitlines() == [
        "validation: txt: is no argument here",
        "hint: did you mean 'text'?",
        "retry: no, change something first",
    ]


@pytest.mark.parametrize(
    ("arguments", "field", "limit"),
    [({"times": 4}, "times", 3), ({"times": "2"}, "times", None), ({"times": 0}, "times", 1)],
)
async def test_a_wrong_argument_is_refused_with_field_and_limit(
    serve: Serve, era: str, arguments: dict[str, Any], field: str, limit: int | None
):
    async with serve() as served, Client(served.url, mode=era) as client:
        error = error_of(await client.call_tool("acme_echo", arguments))
    assert error["code"] == "validation"
    assert error["details"]["field"] == field
    assert error["details"].get("limit") == limit


async def test_several_wrong_arguments_are_named_together(serve: Serve):
    async with serve() as served, Client(served.url) as client:
        error = error_of(await client.call_tool("exec_start", {"argv": [], "cmd": "ls"}))
    assert {fault["field"] for fault in error["details"]["faults"]} == {"container", "argv", "cmd"}
    assert "is missing" in error["message"]


async def test_an_unknown_tool_is_an_error_that_names_the_nearest(serve: Serve, era: str):
    async with serve() as served, Client(served.url, mode=era) as client:
        error = error_of(await client.call_tool("spwan", {}))
    assert error["code"] == "plugin_not_found"
    assert error["hint"] == "did you mean 'spawn'?"


async def test_an_error_says_that_a_retry_may_help(serve: Serve, era: str):
    async with serve() as served, Client(served.url, mode=era) as client:
        result = await client.call_tool("acme_busy", {})
    assert error_of(result) == {
        "code": "concurrency_limit",
        "message": "4 commands are running",
        "hint": "wait for one",
        "retry": True,
        "details": {"limit": 4},
    }
    assert text_of(result).endswith("retry: yes, the same call may succeed later")


async def test_what_a_tool_did_not_foresee_tells_the_client_no_secrets(
    serve: Serve, era: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
):
    async with serve() as served, Client(served.url, mode=era) as client:
        result = await client.call_tool("acme_broken", {})
    assert error_of(result)["code"] == "internal"
    assert "hunter2" not in result.model_dump_json()
    assert "tool.failed" in "".join([caplog.text, *capsys.readouterr()])


async def test_progress_reaches_a_client_that_asked_for_it(serve: Serve, era: str, toolbox: Toolbox):
    seen: asyncio.Queue[tuple[float, float | None, str | None]] = asyncio.Queue()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        await seen.put((progress, total, message))

    async with serve() as served, Client(served.url, mode=era) as client, asyncio.TaskGroup() as group:
        call = group.create_task(client.call_tool("acme_wait", {}, progress_callback=on_progress))
        assert await asyncio.wait_for(seen.get(), 10) == (1.0, 2.0, "half way")
        call.cancel()


async def test_a_client_that_gives_up_cancels_the_wait(serve: Serve, era: str, toolbox: Toolbox):
    async with serve() as served, Client(served.url, mode=era) as client, asyncio.TaskGroup() as group:
        call = group.create_task(client.call_tool("acme_wait", {}))
        await asyncio.wait_for(toolbox.waiting.wait(), 10)
        call.cancel()
        await asyncio.wait_for(toolbox.cancelled.wait(), 10)


async def test_an_in_process_client_gets_the_same(bench: devbench_core.Bench, era: str):
    from devbench_core.model.caller import LOCAL
    from devbench_mcp.server import ToolServer

    server = ToolServer(bench, LOCAL).build()
    async with Client(server, mode=era) as client:
        result = await client.call_tool("status", {})
    assert not result.is_error
    assert result.structured_content["runtime"]["answers"] is True
