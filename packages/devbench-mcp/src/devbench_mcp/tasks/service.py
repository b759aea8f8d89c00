"""Tasks: made from a call under way, told from where its work is recorded, forgotten after a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs

from devbench_core.errors import DevbenchError, NotFound, StoreFailed
from devbench_core.ids import TASK, new_id
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.tools.call import ToolResult
from devbench_mcp.results import success
from devbench_mcp.settings import McpSettings
from devbench_mcp.tasks import clock, records
from devbench_mcp.tasks.commands import Commands, Waits
from devbench_mcp.tasks.host_work import HostWork, wire
from devbench_mcp.tasks.records import Outcome, TaskRecord
from devbench_mcp.tasks.shapes import TaskView
from devbench_mcp.tasks.shell_runs import ShellRuns
from devbench_mcp.tasks.standing import Work

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)
SWEEP_EVERY_S = 60.0


class Tasks:
    """All tasks. Any host of the installation knows them, also after a ``kill -9`` of all."""

    def __init__(self, bench: Bench, settings: McpSettings) -> None:
        self._bench = bench
        self._poll_ms = round(settings.task_poll_s * 1000)
        self._retention = timedelta(seconds=settings.task_retention_s)
        self.host_work = HostWork(bench, self._retention)
        self._works: Mapping[str, Work] = {
            "run": Commands(bench),
            "exec_wait": Waits(bench),
            "shell_run": ShellRuns(bench),
        }

    async def create(self, tool: str, caller: Caller, **what: Any) -> tuple[TaskRecord, TaskView]:
        """Make a task of work that was begun for a caller; when this returns, `get` knows it.

        Args:
            tool: Which was called.
            caller: Who called.
            what: Further fields of `TaskRecord`.

        Raises:
            StoreFailed: It could not be written; the work goes on.
        """
        record = TaskRecord(
            id=new_id(TASK),
            tenant=caller.tenant,
            subject=caller.subject,
            tool=tool,
            created_at=clock.now(),
            **what,
        )
        if record.exec_id and not record.container_id:
            command = await self._bench.execs.get(record.exec_id, caller=caller)
            record = attrs.evolve(record, container_id=command.container_id)
        record = await records.create(self._bench.store, record)
        return record, self._working(record, f"{tool} is under way")

    async def get(self, task_id: str, caller: Caller, protocol_version: str) -> TaskView:
        """Return a task as it stands, with the call's result once that is completed.

        Raises:
            TaskNotFound: The caller has no such task, or it was forgotten.
            StoreFailed: The store could not be read.
        """
        record = await records.load(self._bench.store, task_id, caller)
        work = self._work(record)
        try:
            standing = await work.look(record)
        except NotFound as error:
            raise records.not_found(record.id) from error
        outcome = standing.outcome
        if outcome is None:
            return self._working(record, standing.message)
        if self._is_over(work, outcome):
            raise records.not_found(record.id)
        view = TaskView.ended(record, outcome, self._kept(work), self._poll_ms)
        if view.status != "completed":
            return view
        result = await work.result(record)
        if not isinstance(result, dict):
            structured = result.model_dump(mode="json", exclude_none=True)
            result = wire(success(ToolResult(output=result, structured=structured), protocol_version))
        return attrs.evolve(view, result=result)

    async def news(self, task_id: str, caller: Caller, seen: object, wait_s: float) -> object:
        """Wait until a task may stand elsewhere, or for so long; returns what was seen, for the next call.

        Raises:
            TaskNotFound: The caller has no such task, or it was forgotten.
        """
        record = await records.load(self._bench.store, task_id, caller)
        try:
            return await self._work(record).news(record, seen, wait_s)
        except NotFound as error:
            raise records.not_found(record.id) from error

    async def cancel(self, task_id: str, caller: Caller) -> None:
        """End a task's work, and return when nothing of it is left, or it takes its time. Idempotent.

        Raises:
            TaskNotFound: The caller has no such task.
            Vetoed: A reviewer refuses.
            AgentUnavailable: The agent cannot be reached.
        """
        record = await records.load(self._bench.store, task_id, caller)
        await self._work(record).cancel(record, caller)

    async def known(self, task_id: str, caller: Caller) -> TaskRecord:
        """Return the record of a task that a caller has.

        Raises:
            TaskNotFound: It has no such task.
        """
        return await records.load(self._bench.store, task_id, caller)

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
        """Forget tasks that ended longer ago than they are kept, and those whose work was forgotten.

        Raises:
            StoreFailed: The store could not do it; the next round does the rest.
        """
        async for record in records.every(self._bench.store):
            work = self._work(record)
            is_young = record.created_at + self._kept(work) > clock.now()
            if is_young and (
                not record.run or record.outcome is not None
            ):  # a shell forgets how its runs ended
                continue
            try:
                standing = await work.look(record)
            except NotFound:
                await records.remove(self._bench.store, record.id)
            except StoreFailed:
                raise
            except DevbenchError as error:  # one command's trouble keeps no other task
                log.warning("task.not_looked_at", task=record.id, error=error.message)
            else:
                if standing.outcome is not None and self._is_over(work, standing.outcome):
                    await records.remove(self._bench.store, record.id)

    def _work(self, record: TaskRecord) -> Work:
        return self.host_work if record.host else self._works[record.tool]

    def _kept(self, work: Work) -> timedelta:
        return min(self._retention, work.kept)

    def _is_over(self, work: Work, outcome: Outcome) -> bool:
        return outcome.at + self._kept(work) <= clock.now()

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
