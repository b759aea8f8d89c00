"""Tasks of `shell_run`: what is told of them comes from the shell's record and output."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from devbench_core.errors import Conflict, TimedOut
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Mark
from devbench_core.model.shell import RunReason, Shell, ShellRun
from devbench_core.records import from_json, to_json
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.progress import LAST_LINE_BYTES, last_line
from devbench_core.tools.shell_runs import result_of_run
from devbench_mcp.tasks import clock, records
from devbench_mcp.tasks.failures import failed
from devbench_mcp.tasks.records import Outcome, TaskRecord
from devbench_mcp.tasks.standing import Standing, ended

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)
RUNS = "the script runs"


class ShellRuns:
    """The runs of shells. How one ended is written down with the task: a shell remembers its newest runs only."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @property
    def kept(self) -> timedelta:
        """As the command is that the shell was; while that lives its output is there."""
        return timedelta(seconds=self._bench.settings.execs.retain_s)

    async def look(self, record: TaskRecord) -> Standing:
        """Return where the run stands."""
        if record.outcome is not None:
            if record.outcome.payload:  # of one that failed there is nothing to look for
                await self._bench.execs.get(record.exec_id, caller=record.owner)
            return ended(record.outcome)
        shell = await self._bench.shells.get(record.exec_id, caller=record.owner)
        run = next((each for each in shell.runs if each.number == record.run), None)
        if run is not None and run.ended_at is None:
            return Standing(message=await self._line(record, run) or RUNS)
        outcome = _forgotten(record, shell) if run is None else _outcome(run)
        try:
            await records.change(self._bench.store, attrs.evolve(record, outcome=outcome))
        except Conflict:
            log.debug("task.noted_elsewhere", task=record.id)  # with the same outcome, or it was forgotten
        return ended(outcome)

    async def result(self, record: TaskRecord) -> ToolOutput:
        """Return what `shell_run` would answer now."""
        shell = await self._bench.shells.get(record.exec_id, caller=record.owner)
        run = _run_of(record) or next(each for each in shell.runs if each.number == record.run)
        context = ToolContext(bench=self._bench, caller=record.owner)
        return await result_of_run(context, shell, run, max_output_bytes=record.max_output_bytes)

    async def news(self, record: TaskRecord, seen: object, wait_s: float) -> Mark:
        """Wait for output; the end of a run is written down a moment after its last, and looked for again."""
        mark = seen if isinstance(seen, Mark) else None
        within_s = min(wait_s, clock.LOOK_EVERY_S)
        return await self._bench.execs.news(record.exec_id, seen=mark, wait_s=within_s, caller=record.owner)

    async def cancel(self, record: TaskRecord, caller: Caller) -> None:
        """Interrupt the run if it is the shell's present one."""
        shell = await self._bench.shells.get(record.exec_id, caller=record.owner)
        if shell.run is None or shell.run.number != record.run:
            return
        try:
            await self._bench.shells.cancel(record.exec_id, run=record.run, caller=caller)
        except TimedOut as error:
            log.info("task.cancel_takes_time", task=record.id, error=error.message)

    async def _line(self, record: TaskRecord, run: ShellRun) -> str:
        ends = await self._bench.execs.ends(
            record.exec_id,
            after=run.after,
            limit_bytes=LAST_LINE_BYTES,
            limit_chunks=LAST_LINE_BYTES,
            caller=record.owner,
        )
        return last_line(ends.tail) or last_line(ends.head)


def _run_of(record: TaskRecord) -> ShellRun | None:
    outcome = record.outcome
    return (
        from_json(ShellRun, json.loads(outcome.payload)) if outcome is not None and outcome.payload else None
    )


def _outcome(run: ShellRun) -> Outcome:
    said = f", exit code {run.exit_code}" if run.exit_code is not None else ""
    return Outcome(
        status="cancelled" if run.reason is RunReason.CANCELLED else "completed",
        message=f"the script ended: {run.reason}{said}",
        at=run.ended_at or clock.now(),
        payload=json.dumps(to_json(run)),
    )


def _forgotten(record: TaskRecord, shell: Shell) -> Outcome:
    return failed(
        f"how run {record.run} of shell {shell.id!r} ended is not known any more: the shell had "
        f"{shell.runs[-1].number - record.run} runs since (shells.runs_kept)"
    )
