"""Tasks of `run` and `exec_wait`: what is told of them comes from their command's record and output."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import attrs

from devbench_core.errors import Conflict, TimedOut
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.model.execution import ExecEnding, ExecReason, Mark
from devbench_core.tool import ToolOutput
from devbench_core.tools.exec_views import ExecView
from devbench_core.tools.execs import ExecWaitOutput
from devbench_core.tools.progress import last_line_of
from devbench_core.tools.run import result_of
from devbench_mcp.tasks import clock, records
from devbench_mcp.tasks.records import Outcome, TaskRecord
from devbench_mcp.tasks.standing import Standing, ended

if TYPE_CHECKING:
    from devbench_core.bench import Bench

log = get_logger(__name__)
RUNS = "the command runs"
NOT_WAITED_FOR = "the wait was ended; the command was not"


class Commands:
    """The commands of `run`."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    @property
    def kept(self) -> timedelta:
        """As commands are; tasks hold theirs, so that no number of newer ones shortens that."""
        return timedelta(seconds=self._bench.settings.execs.retain_s)

    async def look(self, record: TaskRecord) -> Standing:
        """Return where the command stands."""
        command = await self._bench.execs.get(record.exec_id, caller=record.owner)
        if command.ending is None:
            line = await last_line_of(self._bench.execs, record.exec_id, record.owner)
            return Standing(message=line or RUNS)
        return ended(_outcome(command.ending))

    async def result(self, record: TaskRecord) -> ToolOutput:
        """Return what `run` would answer now."""
        return await result_of(
            self._bench.execs,
            record.exec_id,
            max_output_bytes=record.max_output_bytes,
            replayed=record.replayed,
            caller=record.owner,
        )

    async def news(self, record: TaskRecord, seen: object, wait_s: float) -> Mark:
        """Wait for output, or the end."""
        mark = seen if isinstance(seen, Mark) else None
        return await self._bench.execs.news(record.exec_id, seen=mark, wait_s=wait_s, caller=record.owner)

    async def cancel(self, record: TaskRecord, caller: Caller) -> None:
        """End the command, and return when nothing of it is left, or it takes its time."""
        try:
            await self._bench.execs.cancel(record.exec_id, caller=caller)
        except TimedOut as error:
            log.info(
                "task.cancel_takes_time", task=record.id, error=error.message
            )  # the agent goes on killing


class Waits(Commands):
    """The waits of `exec_wait`: cancelling one ends it, and not the command, which is somebody's own."""

    async def look(self, record: TaskRecord) -> Standing:
        """Return where the wait stands."""
        if record.cancelled_at is not None:
            return ended(Outcome(status="cancelled", message=NOT_WAITED_FOR, at=record.cancelled_at))
        standing = await super().look(record)
        outcome = standing.outcome  # that somebody cancelled the command is what was waited for
        return standing if outcome is None else ended(attrs.evolve(outcome, status="completed"))

    async def result(self, record: TaskRecord) -> ToolOutput:
        """Return what `exec_wait` would answer now."""
        command = await self._bench.execs.get(record.exec_id, caller=record.owner)
        return ExecWaitOutput(exec=ExecView.of(command), ended=command.ending is not None)

    async def news(self, record: TaskRecord, seen: object, wait_s: float) -> Mark:
        """Wait for output, or the end; nothing more of a wait that was cancelled."""
        return await super().news(record, seen, min(wait_s, clock.LOOK_EVERY_S))

    async def cancel(self, record: TaskRecord, caller: Caller) -> None:
        """End the wait, unless the command has ended."""
        _ = caller
        if (await self.look(record)).outcome is None:
            with suppress(Conflict):  # it was cancelled at this moment
                await records.change(self._bench.store, attrs.evolve(record, cancelled_at=clock.now()))


def _outcome(ending: ExecEnding) -> Outcome:
    status = "cancelled" if ending.reason is ExecReason.CANCELLED else "completed"
    return Outcome(status=status, message=_sentence(ending), at=ending.at)


def _sentence(ending: ExecEnding) -> str:
    facts = {"exit code": ending.exit_code, "signal": ending.signal}
    said = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    return ending.message or f"the command ended: {ending.reason}" + (f", {said}" if said else "")
