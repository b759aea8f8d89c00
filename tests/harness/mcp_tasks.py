"""A client's side of the extension ``io.modelcontextprotocol/tasks``, which the official client leaves to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar, Literal, cast

import httpx2
from mcp import Client, types
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.client.streamable_http import streamable_http_client
from pydantic import ConfigDict, TypeAdapter

EXTENSION = "io.modelcontextprotocol/tasks"
ENDED_S = 60.0
ANYTHING = TypeAdapter(dict[str, Any])


class CreatedTask(types.Result):
    """What a call is answered with in place of its result."""

    model_config = ConfigDict(extra="allow")

    result_type: Literal["task"]
    task_id: str
    status: str
    created_at: str
    last_updated_at: str
    ttl_ms: int | None
    poll_interval_ms: int | None = None


class TaskRequest(types.Request[dict[str, Any], str]):
    """Any of the extension's requests."""

    name_param: ClassVar[str | None] = "taskId"


class TasksExtension(ClientExtension):
    """Declares the extension, and follows a task to its result where a call is answered with one."""

    identifier = EXTENSION

    def claims(self) -> list[ResultClaim[Any]]:
        """Take calls that are answered with a task."""
        return [ResultClaim(result_type="task", model=CreatedTask, resolve=self._resolve)]

    async def _resolve(self, created: CreatedTask, context: ClaimContext) -> types.CallToolResult:
        ended = await until_ended(context.session, created.task_id)
        return types.CallToolResult.model_validate(ended["result"], by_name=False)


async def ask(session: Any, method: str, task_id: str, **more: Any) -> dict[str, Any]:
    """Send one of the extension's requests."""
    request = TaskRequest(method=method, params={"taskId": task_id, **more})
    return cast("dict[str, Any]", await session.send_request(request, ANYTHING))


async def until_ended(session: Any, task_id: str) -> dict[str, Any]:
    """Ask for a task until it has ended."""
    async with asyncio.timeout(ENDED_S):
        while True:
            task = await ask(session, "tasks/get", task_id)
            if task["status"] != "working":
                return task
            await asyncio.sleep(0.05)


async def begin(client: Client, tool: str, **arguments: Any) -> CreatedTask:
    """Call a tool and insist on a task."""
    created = await client.session.call_tool(tool, arguments, allow_claimed=True)
    assert isinstance(created, CreatedTask), created
    return created


@asynccontextmanager
async def knowing_tasks(url: str, token: str = "") -> AsyncGenerator[Client]:
    """Connect the official client, with the extension, to a host that listens."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=90))
        transport = streamable_http_client(url, http_client=http)
        yield await stack.enter_async_context(
            Client(transport, mode="2026-07-28", extensions=[TasksExtension()])
        )
