"""What a token needs for a task: the scope of the tool that it is of."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
from mcp import MCPError

from devbench_core.testing.fake import FakeBench
from harness.mcp_program import Tools
from harness.mcp_tasks import ask, begin, knowing_tasks
from harness.toolbox import Serve

SCOPES = ("read", "exec", "manage")
TOKEN = "all-token-0123456789"
TOKENS = [
    {"token": TOKEN, "tenant": "team", "subject": "agent"},
    *(
        {"token": f"{scope}-token-0123456789", "tenant": "team", "subject": "agent", "scopes": [scope]}
        for scope in SCOPES
    ),
]


async def test_a_task_is_told_to_who_may_look_or_call_its_tool_and_cancelled_by_who_may_call_it(
    serve: Serve, fakes: FakeBench
):
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serve(tokens=TOKENS, task_slow_after_s=0.05))
        client, *those = [
            await stack.enter_async_context(knowing_tasks(served.url, str(each["token"]))) for each in TOKENS
        ]
        tools = Tools(client)
        box = (await tools("spawn"))["container"]["id"]
        run = await begin(client, "run", container=box, argv=["sleep", "300"])
        command = (await tools("exec_list", container=box))["execs"][0]["id"]
        wait = await begin(client, "exec_wait", exec_id=command)
        fakes.runtime.faults.hang("create")
        spawn = await begin(client, "spawn")

        async def answered(method: str, task_id: str, **more: object) -> set[str]:
            found: set[str] = set()
            for scope, one in zip(SCOPES, those, strict=True):
                try:
                    await ask(one.session, method, task_id, **more)
                except MCPError as error:
                    if error.error.data["code"] != "unauthorised":
                        raise
                else:
                    found.add(scope)
            return found

        for task, scope in ((wait, "read"), (run, "exec"), (spawn, "manage")):
            assert await answered("tasks/get", task.task_id) == {"read", scope}
            assert await answered("tasks/update", task.task_id, inputResponses={}) == {"read", scope}
            assert await answered("tasks/cancel", task.task_id) == {scope}
        with pytest.raises(MCPError, match="no task"):
            await ask(those[1].session, "tasks/get", "t_" + "0" * 20)
