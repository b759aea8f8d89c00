"""The methods ``tasks/…``, and calls that are answered with a task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mcp import types
from mcp.server import Server, ServerRequestContext

from devbench_core.errors import DevbenchError
from devbench_core.model.caller import Caller
from devbench_core.tools.base import EXEC, READ
from devbench_core.tools.call import ToolResult
from devbench_core.tools.run import RunInput, RunOutput
from devbench_mcp.context import caller_of, need_scope, protocol_error
from devbench_mcp.settings import McpSettings
from devbench_mcp.tasks.service import Tasks
from devbench_mcp.tasks.shapes import TaskParams, UpdateTaskParams, declared, require

if TYPE_CHECKING:
    from devbench_core.bench import Bench

RUN = "run"
"""The tool whose calls become tasks: its command is recorded, so that any host can say later what became of it."""
AnyContext = ServerRequestContext[Any, Any]


class TaskHandlers:
    """Answers from a bench."""

    def __init__(self, bench: Bench, local: Caller, settings: McpSettings) -> None:
        self._bench = bench
        self._local = local
        self._after_s = settings.task_after_s
        self.tasks = Tasks(bench, settings)

    def register(self, server: Server[Any]) -> None:
        """Serve the extension's methods."""
        server.add_request_handler("tasks/get", TaskParams, self._get)
        server.add_request_handler("tasks/update", UpdateTaskParams, self._update)
        server.add_request_handler("tasks/cancel", TaskParams, self._cancel)

    def leave_after_s(self, context: AnyContext, tool: str) -> float | None:
        """Return after how long a call is answered with a task, None when it never is."""
        return self._after_s if tool == RUN and declared(context) else None

    async def of(
        self, result: ToolResult, arguments: dict[str, Any] | None, caller: Caller
    ) -> dict[str, Any] | None:
        """Return the task in place of a call's result, None when the command has ended.

        Raises:
            StoreFailed: The task could not be written; ``details["exec_id"]`` names the command, which goes on.
        """
        output = result.output
        if not isinstance(output, RunOutput) or output.ended:
            return None
        given = RunInput.model_validate(arguments or {})
        try:
            view = await self.tasks.create(output.exec.id, given.max_output_bytes, caller)
        except asyncio.CancelledError:
            if given.ends_with_call:  # nobody was told its id
                self._bench.execs.end_soon(output.exec.id)
            raise
        except DevbenchError as error:
            error.details.setdefault("exec_id", output.exec.id)
            raise
        return view.wire("task")

    async def _get(self, context: AnyContext, params: TaskParams) -> dict[str, Any]:
        require(context)
        try:
            view = await self.tasks.get(params.task_id, self._caller(context, READ), context.protocol_version)
        except DevbenchError as error:
            raise protocol_error(error) from error
        return view.wire("complete")

    async def _update(self, context: AnyContext, params: UpdateTaskParams) -> types.EmptyResult:
        """Take note of answers: no task of ours asks for any, so all are for keys that are not outstanding."""
        require(context)
        try:
            await self.tasks.known(params.task_id, self._caller(context, READ))
        except DevbenchError as error:
            raise protocol_error(error) from error
        return types.EmptyResult()

    async def _cancel(self, context: AnyContext, params: TaskParams) -> types.EmptyResult:
        require(context)
        try:
            await self.tasks.cancel(params.task_id, self._caller(context, EXEC))
        except DevbenchError as error:
            raise protocol_error(error) from error
        return types.EmptyResult()

    def _caller(self, context: AnyContext, scope: str) -> Caller:
        caller = caller_of(context, self._local)
        need_scope(caller, scope, "a task")
        return caller
