"""Clients that listen hear how their tasks stand, each time as ``tasks/get`` would tell it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp import Client, MCPError, types

from harness.mcp_program import Tools
from harness.mcp_tasks import ask, begin, knowing_tasks, listening_to_tasks, until_ended
from harness.toolbox import Serve

WAITS = ["sh", "-c", "echo begun; while [ ! -e go ]; do sleep 0.02; done; echo done; exit 3"]


async def made(client: Client) -> tuple[Tools, str]:
    tools = Tools(client)
    return tools, (await tools("spawn"))["container"]["id"]


async def test_a_task_is_told_when_it_begins_to_be_followed_and_at_its_end_without_being_asked_for(
    serve: Serve,
):
    async with serve(update_every_s=0.1) as served, knowing_tasks(served.url) as client:
        tools, container = await made(client)
        created = await begin(client, "run", container=container, argv=WAITS)
        async with listening_to_tasks(client, created.task_id, "t_" + "0" * 20, "nonsense") as heard:
            assert heard.honoured == [created.task_id]
            await heard.until(lambda task: task["statusMessage"] == "begun")
            await tools("fs_write", container=container, path="go", text="")
            last = await heard.until(lambda task: task["status"] == "completed")
            asked = await ask(client.session, "tasks/get", created.task_id)
            assert {**last, "resultType": "complete"} == {
                key: value for key, value in asked.items() if key != "_meta"
            }
        said = [task["statusMessage"] for task in heard.tasks]
        assert said[-1] == "the command ended: exited, exit code 3"
        assert len(said) == len(set(said)), "each is news"
        assert {task["taskId"] for task in heard.tasks} == {created.task_id}


async def test_a_task_that_has_ended_is_told_at_once(serve: Serve):
    async with serve() as served, knowing_tasks(served.url) as client:
        _, container = await made(client)
        created = await begin(client, "run", container=container, argv=["sleep", "0.2"])
        await until_ended(client.session, created.task_id)
        async with listening_to_tasks(client, created.task_id) as heard:
            await heard.until(lambda task: task["status"] == "completed")


@pytest.mark.parametrize("tool", ["run", "exec_wait", "shell_run"])
async def test_a_cancel_is_told_whatever_is_cancelled(serve: Serve, tool: str):
    async with (
        serve(task_slow_after_s=0.1, update_every_s=0.1) as served,
        knowing_tasks(served.url) as client,
    ):
        tools, container = await made(client)
        match tool:
            case "run":
                given: dict[str, Any] = {"container": container, "argv": WAITS}
            case "exec_wait":
                started = await tools("exec_start", container=container, argv=WAITS)
                given = {"exec_id": started["exec"]["id"]}
            case _:
                opened = await tools("shell_open", container=container)
                given = {"shell_id": opened["shell"]["id"], "script": "sleep 300"}
        created = await begin(client, tool, **given)
        async with listening_to_tasks(client, created.task_id) as heard:
            await heard.until(lambda task: task["status"] == "working")
            await ask(client.session, "tasks/cancel", created.task_id)
            await heard.until(lambda task: task["status"] == "cancelled")


async def test_a_stream_that_listens_to_tasks_does_not_delay_a_stop(serve: Serve):
    async with serve() as served, knowing_tasks(served.url) as client:
        _, container = await made(client)
        created = await begin(client, "run", container=container, argv=["sleep", "300"])
        async with listening_to_tasks(client, created.task_id) as heard:
            await heard.until(lambda task: task["status"] == "working")
            served.stopping.set()
            await asyncio.wait_for(served.stopped.wait(), 5)


async def test_tasks_of_others_are_not_honoured(serve: Serve):
    tokens: list[dict[str, Any]] = [
        {"token": f"{name}-token-0123456789", "tenant": "team", "subject": name} for name in ("one", "two")
    ]
    async with (
        serve(tokens=tokens) as served,
        knowing_tasks(served.url, tokens[0]["token"]) as client,
        knowing_tasks(served.url, tokens[1]["token"]) as other,
    ):
        _, container = await made(client)
        created = await begin(client, "run", container=container, argv=["sleep", "300"])
        async with listening_to_tasks(other, created.task_id) as heard:
            assert heard.honoured == []


@pytest.mark.parametrize("ids", [["a", "b", "c"], "t_1", [5]])
async def test_too_many_and_what_are_no_names_are_refused(serve: Serve, ids: object):
    async with serve(subscriptions_max=2) as served, knowing_tasks(served.url) as client:
        wanted = types.SubscriptionFilter.model_validate({"taskIds": ids})
        request = types.SubscriptionsListenRequest(
            params=types.SubscriptionsListenRequestParams(notifications=wanted)
        )
        with pytest.raises(MCPError) as refused:
            await client.session.send_request(request, types.SubscriptionsListenResult)
        assert refused.value.error.code == types.INVALID_PARAMS
