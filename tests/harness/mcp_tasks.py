"""A client's side of the extension ``io.modelcontextprotocol/tasks``, which the official client leaves to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar, Literal, cast

import httpx2
from mcp import Client, types
from mcp.client.extension import ClaimContext, ClientExtension, NotificationBinding, ResultClaim
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


class AnyParams(types.NotificationParams):
    """Parameters of any notification."""

    model_config = ConfigDict(extra="allow")


class Heard:
    """What a client that listens heard of tasks.

    Attributes:
        honoured: Which the server agreed to tell of.
        tasks: In the order in which they came.
    """

    def __init__(self) -> None:
        self.honoured: list[str] = []
        self.tasks: list[dict[str, Any]] = []
        self.changed = asyncio.Event()

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the newest word about a task is what is wanted."""
        async with asyncio.timeout(ENDED_S):
            while not self.tasks or not wanted(self.tasks[-1]):
                self.changed.clear()
                await self.changed.wait()
        return self.tasks[-1]


class TasksExtension(ClientExtension):
    """Declares the extension, and follows a task to its result where a call is answered with one."""

    identifier = EXTENSION

    def __init__(self) -> None:
        self.heard: Heard | None = None

    def notifications(self) -> list[NotificationBinding[Any]]:
        """Take what comes for a stream that listens."""
        return [NotificationBinding(method="notifications/tasks", params_type=AnyParams, handler=self._told)]

    async def _told(self, params: AnyParams) -> None:
        if self.heard is not None:
            task = params.model_dump(by_alias=True, exclude={"meta"}, mode="json")
            self.heard.tasks.append(task)
            self.heard.changed.set()

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
async def listening_to_tasks(client: Client, *task_ids: str) -> AsyncGenerator[Heard]:
    """Listen to tasks with a client of `knowing_tasks`; the official one's own way to listen knows none."""
    extension, acknowledged = EXTENSIONS[id(client)]
    heard = extension.heard = Heard()
    acknowledged.clear()
    wanted = types.SubscriptionFilter.model_validate({"taskIds": list(task_ids)})
    params = types.SubscriptionsListenRequestParams(notifications=wanted)
    request = types.SubscriptionsListenRequest(params=params)
    listening = asyncio.create_task(client.session.send_request(request, types.SubscriptionsListenResult))
    waiting = asyncio.create_task(acknowledged.wait())
    try:
        await asyncio.wait([listening, waiting], timeout=ENDED_S, return_when=asyncio.FIRST_COMPLETED)
        assert waiting.done(), "the server did not agree"
        heard.honoured = list((acknowledged.filter.model_extra or {}).get("taskIds", []))
        yield heard
    finally:
        extension.heard = None
        for task in (listening, waiting):
            task.cancel()
        await asyncio.gather(listening, waiting, return_exceptions=True)


class Acknowledged(asyncio.Event):
    """Set when a stream was agreed to."""

    filter: types.SubscriptionFilter

    async def take(self, message: Any) -> None:
        """Take a message of the server's."""
        if isinstance(message, types.SubscriptionsAcknowledgedNotification):
            self.filter = message.params.notifications
            self.set()


EXTENSIONS: dict[int, tuple[TasksExtension, Acknowledged]] = {}
"""What hears for a client of `knowing_tasks`, by its identity."""


@asynccontextmanager
async def knowing_tasks(url: str, token: str = "") -> AsyncGenerator[Client]:
    """Connect the official client, with the extension, to a host that listens."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=90))
        transport = streamable_http_client(url, http_client=http)
        extension, acknowledged = TasksExtension(), Acknowledged()
        client = await stack.enter_async_context(
            Client(transport, mode="2026-07-28", extensions=[extension], message_handler=acknowledged.take)
        )
        EXTENSIONS[id(client)] = (extension, acknowledged)
        stack.callback(EXTENSIONS.pop, id(client))
        yield client
