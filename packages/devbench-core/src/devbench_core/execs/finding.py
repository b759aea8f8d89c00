"""Finds a command, wherever it is followed; one that nobody follows is adopted by whoever asks for it."""

from __future__ import annotations

from devbench_core.contracts.store import Record
from devbench_core.errors import AgentUnavailable, Conflict
from devbench_core.execs import endings, records
from devbench_core.execs.adopt import Adopter
from devbench_core.execs.context import ExecContext
from devbench_core.execs.run import Run
from devbench_core.execs.runs import Runs
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Exec, ExecEnding

log = get_logger(__name__)


class Finder:
    """Looks in this host's memory, then in the store.

    Attributes:
        closed: Whether this host closes, and adopts no more.
    """

    def __init__(self, context: ExecContext, runs: Runs, adopter: Adopter) -> None:
        self.closed = False
        self._context = context
        self._runs = runs
        self._adopter = adopter

    async def find(self, exec_id: str, caller: Caller) -> Run | Record:
        """Return what this host knows, else the record; a command that nobody follows is adopted."""
        run = self._runs.known(exec_id)
        if run is not None:
            if run.record.tenant != caller.tenant:
                raise records.not_found(exec_id)
            return run
        found = await records.load(self._context.store, exec_id, caller)
        record = records.read(found)
        if self.closed or not await self.is_orphan(record):
            return found
        return await self._rescue(record, found, caller)

    async def reach(self, exec_id: str, caller: Caller) -> Run | Record:
        """Find a command, and wait while this host is just attaching it to its agent: only then can it be given input.

        One that could not be attached is returned as one that this host has left.
        """
        found = await self.find(exec_id, caller)
        if isinstance(found, Run):
            await found.attached.wait()
        return found

    async def is_orphan(self, record: Exec) -> bool:
        """Tell whether nobody follows a living command."""
        if self._runs.followed(record.id) is not None:
            return False
        return await self._adopter.is_orphan(record)

    async def _rescue(self, record: Exec, found: Record, caller: Caller) -> Run | Record:
        run = self._runs.followed(record.id)
        if run is not None:
            return run
        container = await self._context.find(record.container_id, caller)
        try:
            if container.ending is None:
                return await self._adopter.adopt(container, found) or found
            await self.close_record(found, endings.of_container(container.ending, self._context.clock.now()))
        except AgentUnavailable as error:
            log.warning("exec.adoption_failed", exec=record.id, error=error.message)
        return await records.load(self._context.store, record.id, caller)

    async def close_record(self, found: Record, ending: ExecEnding) -> None:
        """Give a command that this host does not follow its ending, unless it has one."""
        record = records.read(found)
        try:
            if record.ending is None and self._runs.followed(record.id) is None:
                await records.save(
                    self._context.store, records.ended(record, ending), records.stdin_bytes(found)
                )
        except Conflict:
            return  # somebody else gave it its ending

    async def stored(self, exec_id: str, found: Run | Record, caller: Caller) -> Record:
        """Return the record of a command, also of one whose output this host remembers in vain."""
        if not isinstance(found, Run):
            return found
        self._runs.drop(exec_id)
        return await records.load(self._context.store, exec_id, caller)
