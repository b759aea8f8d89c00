"""Subscriptions of stateless clients (2026-07-28): one stream a request, for resources and for tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from mcp import MCPError, types
from mcp.server import ServerRequestContext
from pydantic import TypeAdapter, ValidationError

from devbench_core.errors import DevbenchError, NotFound, ValidationFailed
from devbench_core.model.caller import Caller
from devbench_mcp.resources import addresses
from devbench_mcp.resources.following import Following
from devbench_mcp.resources.listening import Listening
from devbench_mcp.tasks.following import follow
from devbench_mcp.tasks.service import Tasks

STREAMS_MAX = 1024
"""Streams that listen, of all clients together."""
_NAMES = TypeAdapter(list[str])
Stop = Callable[[], object]


class Streams:
    """Serves ``subscriptions/listen``.

    Args:
        following: Follows resources.
        tasks: Of clients that know them.
        group: Owns what follows them.
        every_s: The least time between two words about a task that goes on.
        most: How many resources and tasks one stream may name.
    """

    def __init__(
        self,
        following: Following,
        tasks: Tasks,
        group: asyncio.TaskGroup,
        *,
        every_s: float,
        most: int,
    ) -> None:
        self._following = following
        self._tasks = tasks
        self._group = group
        self._every_s = every_s
        self._most = most
        self._open: set[Listening] = set()

    async def listen(
        self,
        context: ServerRequestContext[Any, Any],
        params: types.SubscriptionsListenRequestParams,
        caller: Caller,
    ) -> types.SubscriptionsListenResult:
        """Serve one stream until its client goes; resources and tasks that the caller does not have are not honoured.

        Raises:
            MCPError: There are too many streams, or this one names too much.
        """
        wanted = list(dict.fromkeys(params.notifications.resource_subscriptions or ()))
        tasks = task_ids(params)
        if len(wanted) + len(tasks) > self._most:
            raise MCPError(
                types.INVALID_PARAMS,
                f"one stream may name {self._most} resources and tasks (mcp.subscriptions_max)",
            )
        if len(self._open) >= STREAMS_MAX:
            raise MCPError(types.INTERNAL_ERROR, f"{STREAMS_MAX} streams are open, which is the limit")
        stream, stops = Listening(), list[Stop]()
        self._open.add(stream)
        try:
            uris_told = [uri for uri in wanted if await self._resource(uri, caller, stream, stops)]
            tasks_told = [each for each in tasks if await self._task(each, caller, context, stream, stops)]
            return await stream.serve(context, _honoured(params.notifications, uris_told, tasks_told))
        finally:
            self._open.discard(stream)
            for stop in stops:
                stop()

    def close(self) -> None:
        """End all streams; their clients are told."""
        for stream in list(self._open):
            stream.close()

    async def _resource(self, uri: str, caller: Caller, stream: Listening, stops: list[Stop]) -> bool:
        def ring(_ended: object) -> None:
            stream.put(uri, "notifications/resources/updated", {"uri": uri})

        try:
            stops.append(await self._following.follow(addresses.parse(uri), caller, ring))
        except (NotFound, ValidationFailed):
            return False
        except DevbenchError as error:
            raise MCPError(types.INTERNAL_ERROR, str(error)) from error
        return True

    async def _task(
        self,
        task_id: str,
        caller: Caller,
        context: ServerRequestContext[Any, Any],
        stream: Listening,
        stops: list[Stop],
    ) -> bool:
        try:
            await self._tasks.known(task_id, caller)
        except NotFound:
            return False
        except DevbenchError as error:
            raise MCPError(types.INTERNAL_ERROR, str(error)) from error

        def publish(task: dict[str, Any]) -> None:
            stream.put(task_id, "notifications/tasks", task)

        following = follow(self._tasks, task_id, caller, context.protocol_version, self._every_s, publish)
        stops.append(self._group.create_task(following, name=f"follows task {task_id}").cancel)
        return True


def task_ids(params: types.SubscriptionsListenRequestParams) -> list[str]:
    """Return which tasks a client wants to hear of.

    Raises:
        MCPError: They are no list of names.
    """
    given: object = (params.notifications.model_extra or {}).get("taskIds")
    try:
        return list(dict.fromkeys(_NAMES.validate_python([] if given is None else given, strict=True)))
    except ValidationError as error:
        raise MCPError(types.INVALID_PARAMS, "taskIds is a list of ids") from error


def _honoured(
    asked: types.SubscriptionFilter, uris_told: list[str], tasks: list[str]
) -> types.SubscriptionFilter:
    """Return what is agreed to; lists of tools, prompts and resources do not change, so that is easily promised."""
    told = types.SubscriptionFilter(
        tools_list_changed=asked.tools_list_changed or None,
        prompts_list_changed=asked.prompts_list_changed or None,
        resources_list_changed=asked.resources_list_changed or None,
        resource_subscriptions=uris_told or None,
    )
    return (
        told
        if not tasks
        else types.SubscriptionFilter.model_validate({**told.model_dump(), "taskIds": tasks})
    )
