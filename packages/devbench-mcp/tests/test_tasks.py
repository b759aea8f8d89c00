"""Calls that are answered with a task, for clients that declare the extension."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mcp import Client, MCPError, types

import devbench_core
from devbench_core.errors import ExecPurged
from devbench_core.model.execution import ExecReason
from devbench_mcp.settings import McpSettings
from devbench_mcp.tasks import records
from devbench_mcp.tasks.service import Tasks
from harness.mcp_tasks import EXTENSION, TaskRequest, TasksExtension, ask, begin, knowing_tasks, until_ended
from harness.toolbox import Serve

TEAM, COLLEAGUE, STRANGER = "team-token-0123456789", "colleague-0123456789", "stranger-0123456789"
TOKENS: list[dict[str, Any]] = [
    {"token": TEAM, "tenant": "team", "subject": "agent"},
    {"token": COLLEAGUE, "tenant": "team", "subject": "colleague"},
    {"token": STRANGER, "tenant": "other", "subject": "agent"},
]
METHODS: list[tuple[str, dict[str, Any]]] = [
    ("tasks/get", {}),
    ("tasks/cancel", {}),
    ("tasks/update", {"inputResponses": {}}),
]
WAITS = ["sh", "-c", "echo begun; while [ ! -e go ]; do sleep 0.02; done; echo done; exit 3"]


async def spawn(client: Client) -> str:
    result = await client.call_tool("spawn", {})
    return str(result.structured_content["container"]["id"])


async def test_the_extension_is_told_to_those_who_declare_it(serve: Serve):
    async with serve() as served:
        async with knowing_tasks(served.url) as client:
            assert client.server_capabilities is not None
        async with Client(served.url, mode="auto") as plain:
            assert plain.server_capabilities is not None
            assert not plain.server_capabilities.extensions
        async with Client(served.url, mode="auto", extensions=[TasksExtension()]) as client:
            assert client.server_capabilities is not None
            assert client.server_capabilities.extensions == {EXTENSION: {}}


async def test_a_run_is_answered_at_once_and_its_result_comes_with_the_task(serve: Serve):
    async with serve() as served, knowing_tasks(served.url) as client:
        container = await spawn(client)
        created = await begin(client, "run", container=container, argv=WAITS, max_output_bytes=2048)
        assert (created.status, created.ttl_ms, created.poll_interval_ms) == ("working", None, 1000)
        async with asyncio.timeout(10):
            while (task := await ask(client.session, "tasks/get", created.task_id))[
                "statusMessage"
            ] != "begun":
                await asyncio.sleep(0.01)
        assert (task["status"], task["resultType"], task["ttlMs"]) == ("working", "complete", None)
        await client.call_tool("fs_write", {"container": container, "path": "go", "text": ""})
        task = await until_ended(client.session, created.task_id)
        assert (task["status"], task["taskId"]) == ("completed", created.task_id)
        assert task["statusMessage"] == "the command ended: exited, exit code 3"
        assert task["ttlMs"] >= 86_400_000
        result = types.CallToolResult.model_validate(task["result"], by_name=False)
        assert not result.is_error
        assert "".join(piece["text"] for piece in result.structured_content["output"]) == "begun\ndone\n"
        assert result.structured_content["ended"] is True
        assert result.structured_content["exec"]["ending"]["exit_code"] == 3


async def test_the_result_of_a_repeated_run_says_that_it_is_one(serve: Serve):
    async with serve() as served, knowing_tasks(served.url) as client:
        arguments = {"container": await spawn(client), "argv": WAITS, "idempotency_key": "once"}
        first, second = [await begin(client, "run", **arguments) for _ in range(2)]
        await client.call_tool("fs_write", {"container": arguments["container"], "path": "go", "text": ""})
        results = [
            (await until_ended(client.session, each.task_id))["result"]["structuredContent"]
            for each in (first, second)
        ]
        assert results[0]["exec"]["id"] == results[1]["exec"]["id"]
        assert [each["replayed"] for each in results] == [False, True]


async def test_a_client_may_leave_the_waiting_to_its_extension(serve: Serve):
    async with serve() as served, knowing_tasks(served.url) as client:
        container = await spawn(client)
        result = await client.call_tool(
            "run", {"container": container, "argv": ["sh", "-c", "sleep 0.3; echo hi"]}
        )
        assert result.structured_content["output"][0]["text"] == "hi\n"


async def test_a_command_that_ends_soon_can_be_answered_directly(serve: Serve):
    async with serve(task_after_s=30) as served, knowing_tasks(served.url) as client:
        container = await spawn(client)
        arguments = {"container": container, "argv": ["sh", "-c", "sleep 0.2; echo hi"]}
        result = await client.session.call_tool("run", arguments, allow_claimed=True)
        assert isinstance(result, types.CallToolResult)
        assert result.structured_content["ended"] is True


async def test_errors_come_as_the_calls_result_and_make_no_task(serve: Serve, bench: devbench_core.Bench):
    async with serve() as served, knowing_tasks(served.url) as client:
        for arguments in ({"container": "nowhere", "argv": ["true"]}, {"container": "c", "wait_s": "x"}):
            result = await client.call_tool("run", arguments)
            assert result.is_error
        assert [record async for record in records.every(bench.store)] == []


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_who_did_not_declare_the_extension_never_gets_a_task(serve: Serve, mode: str):
    async with serve() as served, Client(served.url, mode=mode) as client:
        container = await spawn(client)
        result = await client.call_tool(
            "run", {"container": container, "argv": ["sleep", "9"], "wait_s": 0.1}
        )
        assert result.structured_content["ended"] is False
        for method, more in METHODS:
            with pytest.raises(MCPError) as refused:
                await ask(client.session, method, "t_" + "0" * 20, **more)
            expected = types.METHOD_NOT_FOUND if mode == "legacy" else -32021
            assert refused.value.error.code == expected
            if mode != "legacy":
                assert refused.value.error.data == {"requiredCapabilities": {"extensions": {EXTENSION: {}}}}
        if mode != "legacy":
            wanted = types.SubscriptionFilter.model_validate({"taskIds": ["t_" + "0" * 20]})
            listen = types.SubscriptionsListenRequest(
                params=types.SubscriptionsListenRequestParams(notifications=wanted)
            )
            with pytest.raises(MCPError) as refused:
                await client.session.send_request(listen, types.SubscriptionsListenResult)
            assert refused.value.error.code == -32021


async def test_cancelling_a_task_ends_its_command(serve: Serve, bench: devbench_core.Bench):
    async with serve() as served, knowing_tasks(served.url) as client:
        container = await spawn(client)
        created = await begin(client, "run", container=container, argv=["sleep", "300"])
        for _ in range(2):
            acknowledged = await ask(client.session, "tasks/cancel", created.task_id)
            assert acknowledged["resultType"] == "complete"
        task = await ask(client.session, "tasks/get", created.task_id)
        assert task["status"] == "cancelled"
        assert "result" not in task
        (command,) = await bench.execs.list(container)
        assert command.ending is not None
        assert command.ending.reason is ExecReason.CANCELLED
        acknowledged = await ask(client.session, "tasks/update", created.task_id, inputResponses={"x": {}})
        assert acknowledged["resultType"] == "complete"


@pytest.mark.parametrize("token", [COLLEAGUE, STRANGER])
async def test_a_task_is_invisible_to_others(serve: Serve, bench: devbench_core.Bench, token: str):
    async with serve(tokens=TOKENS) as served, knowing_tasks(served.url, TEAM) as client:
        container = await spawn(client)
        created = await begin(client, "run", container=container, argv=["sleep", "300"])
        async with knowing_tasks(served.url, token) as other:
            for task_id in (created.task_id, "t_" + "0" * 20, "nonsense"):
                for method, more in METHODS:
                    with pytest.raises(MCPError) as refused:
                        await ask(other.session, method, task_id, **more)
                    assert refused.value.error.code == types.INVALID_PARAMS
                    assert refused.value.error.data["code"] == "task_not_found"
        assert (await ask(client.session, "tasks/get", created.task_id))["status"] == "working"


async def test_a_token_that_may_only_look_cancels_nothing(serve: Serve):
    scopes = ["read", "exec", "manage"]
    tokens = [
        {"token": TEAM, "tenant": "team", "subject": "agent", "scopes": scopes},
        {"token": COLLEAGUE, "tenant": "team", "subject": "agent", "scopes": ["read"]},
    ]
    async with serve(tokens=tokens) as served, knowing_tasks(served.url, TEAM) as client:
        container = await spawn(client)
        created = await begin(client, "run", container=container, argv=["sleep", "300"])
        async with knowing_tasks(served.url, COLLEAGUE) as looking:
            assert (await ask(looking.session, "tasks/get", created.task_id))["status"] == "working"
            with pytest.raises(MCPError) as refused:
                await ask(looking.session, "tasks/cancel", created.task_id)
            assert refused.value.error.data["code"] == "unauthorised"


async def test_wrong_parameters_are_refused(serve: Serve):
    async with serve() as served, knowing_tasks(served.url) as client:

        class Nameless(TaskRequest):
            name_param = None

        for params in ({}, {"taskId": 5}):
            with pytest.raises(MCPError) as refused:
                await client.session.send_request(
                    Nameless(method="tasks/get", params=params), types.EmptyResult
                )
            assert refused.value.error.code == types.INVALID_PARAMS


async def test_a_task_whose_command_was_purged_is_not_found_and_keeps_no_other_from_being_forgotten(
    serve: Serve, bench: devbench_core.Bench, monkeypatch: pytest.MonkeyPatch
):
    async with serve() as served, knowing_tasks(served.url) as client:
        container = await spawn(client)
        begun = [
            await begin(client, "run", container=container, argv=["sh", "-c", "sleep 0.1"]) for _ in range(2)
        ]
        for each in begun:
            await until_ended(client.session, each.task_id)
        stored = [record async for record in records.every(bench.store)]
        tasks, get = Tasks(bench, McpSettings()), bench.execs.get

        async def purged(exec_id: str, **rest: Any) -> Any:
            if exec_id == stored[0].exec_id:
                raise ExecPurged("it is kept no longer", hint="see execs.retain_s")
            return await get(exec_id, **rest)

        monkeypatch.setattr(bench.execs, "get", purged)
        with pytest.raises(MCPError) as refused:
            await ask(client.session, "tasks/get", stored[0].id)
        assert "task" in refused.value.error.message
        now = datetime.now(UTC) + timedelta(days=30)
        monkeypatch.setattr("devbench_mcp.tasks.clock.now", lambda: now)
        await tasks.sweep()
        assert [record async for record in records.every(bench.store)] == []


async def test_a_task_is_forgotten_some_time_after_its_end_and_with_its_command(
    serve: Serve, bench: devbench_core.Bench, monkeypatch: pytest.MonkeyPatch
):
    async with serve() as served, knowing_tasks(served.url) as client:
        container = await spawn(client)
        ended = await begin(client, "run", container=container, argv=["sh", "-c", "sleep 0.1"])
        ends = await until_ended(client.session, ended.task_id)
        assert ends["status"] == "completed"
        running = await begin(client, "run", container=container, argv=["sleep", "300"])
        tasks = Tasks(bench, McpSettings())
        await tasks.sweep()
        assert {record.id async for record in records.every(bench.store)} == {ended.task_id, running.task_id}
        now = datetime.now(UTC) + timedelta(milliseconds=ends["ttlMs"] + 1000)
        monkeypatch.setattr("devbench_mcp.tasks.clock.now", lambda: now)
        await tasks.sweep()
        assert {record.id async for record in records.every(bench.store)} == {running.task_id}
        with pytest.raises(MCPError):
            await ask(client.session, "tasks/get", ended.task_id)
        await bench.containers.kill(container)
        for command in await bench.execs.list(container):
            assert command.ending is not None
        await bench.execs.forget(container)
        await tasks.sweep()
        assert [record async for record in records.every(bench.store)] == []
