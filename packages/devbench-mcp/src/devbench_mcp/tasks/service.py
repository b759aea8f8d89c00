"""Tasks: made from a command under way, told from its record, forgotten after a time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import attrs

from devbench_core.clock import SystemClock
from devbench_core.errors import DevbenchError, NotFound, StoreFailed, TimedOut
from devbench_core.ids import TASK, new_id
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Exec, ExecEnding, ExecReason
from devbench_core.tools.call import ToolResult
from devbench_core.tools.progress import last_line_of
from devbench_core.tools.run import result_of
from devbench_mcp.results import success
from devbench_mcp.settings import McpSettings
from devbench_mcp.tasks import records
from devbench_mcp.tasks.records import TaskRecord
from devbench_mcp.tasks.shapes import TaskView

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)
SWEEP_EVERY_S = 60.0
RUNS = "the command runs"


class Tasks:
    """Tasks of calls of `run`. Any host of the installation knows them, also after a ``kill -9`` of all."""

    def __init__(self, bench: Bench, settings: McpSettings) -> None:
        self._bench = bench
        self._poll_ms = round(settings.task_poll_s * 1000)
        self._retention = timedelta(seconds=settings.task_retention_s)

    async def create(self, exec_id: str, max_output_bytes: int, caller: Caller) -> TaskView:
        """Make a task of a command that was started for a caller; when this returns, `get` knows it.

        Raises:
            StoreFailed: It could not be written; the command goes on.
        """
        record = TaskRecord(
            id=new_id(TASK),
            tenant=caller.tenant,
            subject=caller.subject,
            exec_id=exec_id,
            max_output_bytes=max_output_bytes,
            created_at=_now(),
        )
        await records.create(self._bench.store, record)
        return self._working(record, RUNS)

    async def get(self, task_id: str, caller: Caller, protocol_version: str) -> TaskView:
        """Return a task as it stands, with the call's result once its command has ended.

        Raises:
            TaskNotFound: The caller has no such task, or it was forgotten.
            StoreFailed: The store could not be read.
        """
        record = await records.load(self._bench.store, task_id, caller)
        command = await self._command(record)
        if command.ending is None:
            line = await last_line_of(self._bench.execs, record.exec_id, record.owner)
            return self._working(record, line or RUNS)
        ending = command.ending
        view = TaskView(
            id=record.id,
            status="cancelled" if ending.reason is ExecReason.CANCELLED else "completed",
            message=_sentence(ending),
            created_at=record.created_at,
            updated_at=max(ending.at, record.created_at),
            ttl_ms=self._ttl_ms(record, ending),
            poll_ms=self._poll_ms,
        )
        return view if view.status == "cancelled" else await self._with_result(view, record, protocol_version)

    async def cancel(self, task_id: str, caller: Caller) -> None:
        """End a task's command, and return when nothing of it is left, or it takes its time. Idempotent.

        Raises:
            TaskNotFound: The caller has no such task.
            Vetoed: A reviewer refuses.
            AgentUnavailable: The agent cannot be reached.
        """
        record = await records.load(self._bench.store, task_id, caller)
        try:
            await self._bench.execs.cancel(record.exec_id, caller=caller)
        except TimedOut as error:
            log.info("task.cancel_takes_time", task=task_id, error=error.message)  # the agent goes on killing

    async def known(self, task_id: str, caller: Caller) -> None:
        """Check that a caller has a task.

        Raises:
            TaskNotFound: It has no such task.
        """
        await records.load(self._bench.store, task_id, caller)

    async def sweep_for_ever(self) -> None:
        """Forget, every `SWEEP_EVERY_S`, what nobody can ask for any more."""
        while True:
            try:
                await self.sweep()
            except DevbenchError as error:
                log.warning("task.sweep_failed", error=error.message)
            except Exception:  # a store's own fault; an error here would end the server
                log.exception("task.sweep_failed")
            await asyncio.sleep(SWEEP_EVERY_S)

    async def sweep(self) -> None:
        """Forget tasks that ended longer ago than the retention, and those whose command was forgotten.

        Raises:
            StoreFailed: The store could not do it; the next round does the rest.
        """
        async for record in records.every(self._bench.store):
            if record.created_at + self._retention > _now():
                continue
            try:
                await self._command(record)
            except NotFound:
                await records.remove(self._bench.store, record.id)
            except StoreFailed:
                raise
            except DevbenchError as error:  # one command's trouble keeps no other task
                log.warning("task.not_looked_at", task=record.id, error=error.message)

    async def _command(self, record: TaskRecord) -> Exec:
        """Return the command of a task that is still kept.

        Raises:
            TaskNotFound: The command was forgotten with its container, or ended longer ago than the retention.
        """
        try:
            command = await self._bench.execs.get(record.exec_id, caller=record.owner)
        except NotFound as error:
            raise records.not_found(record.id) from error
        if command.ending is not None and command.ending.at + self._retention <= _now():
            raise records.not_found(record.id)
        return command

    async def _with_result(self, view: TaskView, record: TaskRecord, protocol_version: str) -> TaskView:
        output = await result_of(
            self._bench.execs,
            record.exec_id,
            max_output_bytes=record.max_output_bytes,
            caller=record.owner,
        )
        structured = output.model_dump(mode="json", exclude_none=True)
        result = success(ToolResult(output=output, structured=structured), protocol_version)
        shown = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        return attrs.evolve(view, result=shown)

    def _working(self, record: TaskRecord, message: str) -> TaskView:
        return TaskView(
            id=record.id,
            status="working",
            message=message,
            created_at=record.created_at,
            updated_at=record.created_at,
            ttl_ms=None,
            poll_ms=self._poll_ms,
        )

    def _ttl_ms(self, record: TaskRecord, ending: ExecEnding) -> int:
        lasts = max(ending.at - record.created_at, timedelta()) + self._retention
        return round(lasts.total_seconds() * 1000)


def _sentence(ending: ExecEnding) -> str:
    facts = {"exit code": ending.exit_code, "signal": ending.signal}
    said = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    return ending.message or f"the command ended: {ending.reason}" + (f", {said}" if said else "")


def _now() -> datetime:
    return SystemClock().now()
