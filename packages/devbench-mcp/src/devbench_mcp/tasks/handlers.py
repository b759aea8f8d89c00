"""The methods ``tasks/…``, and calls that are answered with a task."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mcp import types
from mcp.server import ServerRequestContext

from devbench_core.errors import DevbenchError
from devbench_core.model.caller import Caller
from devbench_core.tool import ProgressSink
from devbench_core.tools.base import EXEC, READ
from devbench_core.tools.call import ToolResult, call_tool
from devbench_mcp.context import Context, caller_of, need_scope, protocol_error
from devbench_mcp.settings import McpSettings
from devbench_mcp.tasks.calls import LONG, SCOPES, WORK, Call, long_call
from devbench_mcp.tasks.host_work import Doing
from devbench_mcp.tasks.service import Tasks
from devbench_mcp.tasks.shapes import TaskParams, UpdateTaskParams, declared, require

if TYPE_CHECKING:
    from devbench_core.bench import Bench

AnyContext = ServerRequestContext[Any, Any]
Answer = ToolResult | dict[str, Any]


class TaskHandlers:
    """Answers from a bench."""

    def __init__(self, bench: Bench, local: Caller, settings: McpSettings) -> None:
        self._bench = bench
        self._local = local
        self._settings = settings
        self.tasks = Tasks(bench, settings)

    async def answer(
        self,
        context: Context,
        tool: str,
        arguments: Mapping[str, Any] | None,
        caller: Caller,
        progress: ProgressSink | None,
    ) -> Answer | None:
        """Call a tool that may be answered with a task; None when this call is none of that kind.

        Args:
            context: Of the request.
            tool: Which.
            arguments: Its arguments.
            caller: Who calls.
            progress: Told until the call is answered; None when nobody asked.

        Raises:
            DevbenchError: The call's own. Of work that was begun ``details["exec_id"]`` names the command.
        """
        if not declared(context):
            return None
        if tool in WORK:
            return await self._work(context, tool, arguments or {}, caller, progress)
        after_s = LONG[tool](self._settings) if tool in LONG else None
        call = None if after_s is None else long_call(tool, arguments or {})
        if after_s is None or call is None or call.waits_s <= after_s:
            return None
        result = await call_tool(
            self._bench, tool, arguments, caller=caller, progress=progress, leave_after_s=after_s
        )
        return await self._task_of(call, result, caller) or result

    async def _task_of(self, call: Call, result: ToolResult, caller: Caller) -> dict[str, Any] | None:
        """Return the task in place of a call's result, None when the work has ended."""
        what = call.under_way(result.output)
        if what is None:
            return None
        try:
            _, view = await self.tasks.create(call.tool, caller, **what)
        except asyncio.CancelledError:
            call.give_up(self._bench, what, caller)  # nobody was told its id
            raise
        except DevbenchError as error:
            error.details.setdefault("exec_id", what["exec_id"])
            raise
        return view.wire("task")

    async def _work(
        self,
        context: Context,
        tool: str,
        arguments: Mapping[str, Any],
        caller: Caller,
        progress: ProgressSink | None,
    ) -> Answer:
        """Do a host's own work, and answer with a task when it takes long."""

        async def call(sink: ProgressSink) -> ToolResult:
            return await call_tool(self._bench, tool, arguments, caller=caller, progress=sink)

        work, group = self.tasks.host_work, context.lifespan_context.tasks
        doing = work.begin(group, tool, call, progress)
        try:
            await asyncio.wait([doing.task], timeout=self._settings.task_slow_after_s)
            doing.asked = None  # after its answer a call has no progress
            if doing.task.done():
                return _settled(doing)
            record, view = await self.tasks.create(tool, caller, host=self._bench.instance)
        except BaseException:  # a cancellation too: nobody would own the task
            doing.task.cancel()
            raise
        work.adopt(group, record, doing)
        return view.wire("task")

    async def get(self, context: AnyContext, params: TaskParams) -> dict[str, Any]:
        """Tell where a task stands."""
        require(context)
        try:
            caller = await self._caller(context, params.task_id, or_scope=READ)
            view = await self.tasks.get(params.task_id, caller, context.protocol_version)
        except DevbenchError as error:
            raise protocol_error(error) from error
        return view.wire("complete")

    async def update(self, context: AnyContext, params: UpdateTaskParams) -> types.EmptyResult:
        """Take note of answers: no task of ours asks for any, so all are for keys that are not outstanding."""
        require(context)
        try:
            await self._caller(context, params.task_id, or_scope=READ)
        except DevbenchError as error:
            raise protocol_error(error) from error
        return types.EmptyResult()

    async def cancel(self, context: AnyContext, params: TaskParams) -> types.EmptyResult:
        """End a task's work."""
        require(context)
        try:
            await self.tasks.cancel(params.task_id, await self._caller(context, params.task_id))
        except DevbenchError as error:
            raise protocol_error(error) from error
        return types.EmptyResult()

    async def _caller(self, context: AnyContext, task_id: str, *, or_scope: str = "") -> Caller:
        """Return who asks: who has the task, and may call its tool or has a scope that is enough too."""
        caller = caller_of(context, self._local)
        needed = SCOPES.get((await self.tasks.known(task_id, caller)).tool, EXEC)
        if needed not in caller.scopes:
            need_scope(caller, or_scope or needed, "a task")
        return caller


def _settled(doing: Doing) -> ToolResult:
    answer = doing.task.result()
    if isinstance(answer, DevbenchError):
        raise answer
    return answer
