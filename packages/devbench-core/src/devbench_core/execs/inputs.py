"""Input for commands, whichever host follows them: given here, or handed to that host."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import cast

from devbench_core.contracts.store import Record
from devbench_core.errors import InputUnavailable
from devbench_core.execs import records
from devbench_core.execs.context import ExecContext
from devbench_core.execs.finding import Finder
from devbench_core.execs.input import check_input, give_input, host_of, is_elsewhere, open_input
from devbench_core.execs.run import Run
from devbench_core.execs.runs import Runs
from devbench_core.forwarding.asking import Untold
from devbench_core.json_types import JsonObject
from devbench_core.model.caller import Caller
from devbench_core.model.event import Request
from devbench_core.model.execution import InputTaken
from devbench_core.records import from_json, to_json

INPUT = "exec.input"
HANDOVERS = 3
"""How often a call may find that its command has just gone to another host."""


class Inputs:
    """Gives bytes to commands."""

    def __init__(self, context: ExecContext, runs: Runs, finder: Finder) -> None:
        self._context = context
        self._runs = runs
        self._finder = finder

    async def give(
        self, exec_id: str, data: bytes, *, eof: bool, wait_s: float, caller: Caller
    ) -> InputTaken:
        """Give bytes to a command's open stdin; raises as `Execs.write_input` does."""
        check_input(data, wait_s, self._context.limits)
        seconds = min(wait_s, self._context.limits.poll_max_wait_s)
        arguments: JsonObject = {
            "exec_id": exec_id,
            "data": b64encode(data).decode("ascii"),
            "eof": eof,
            "wait_s": seconds,
        }
        for _ in range(HANDOVERS):
            found = await self._finder.reach(exec_id, caller)
            if isinstance(found, Run) or not (host := host_of(found)):
                return await self._here(found, exec_id, data, caller, eof=eof, wait_s=seconds)
            self._check(records.read(found).container_id, exec_id, caller)
            taken = await self._there(host, arguments, seconds, caller)
            if taken is not None:
                return taken
        return await self._here(
            await self._finder.reach(exec_id, caller), exec_id, data, caller, eof=eof, wait_s=seconds
        )

    async def serve(self, arguments: JsonObject, caller: Caller) -> JsonObject:
        """Give bytes to a command for another host, which handed them to this one."""
        exec_id, data = str(arguments["exec_id"]), b64decode(str(arguments["data"]))
        eof, wait_s = bool(arguments["eof"]), float(cast("float", arguments["wait_s"]))
        found = await self._finder.reach(exec_id, caller)
        return to_json(await self._here(found, exec_id, data, caller, eof=eof, wait_s=wait_s))

    @property
    def are_open(self) -> bool:
        """Whether this host follows a command that others may have input for, or a shell: those are also cancelled.

        Also one whose input is complete: who has more for it is told so, and does not wait for an answer.
        """
        return any(
            run.is_shell or (run.stdin is not None and not run.done.done()) for run in self._runs.all()
        )

    async def _here(
        self, found: Run | Record, exec_id: str, data: bytes, caller: Caller, *, eof: bool, wait_s: float
    ) -> InputTaken:
        run, _ = open_input(found, exec_id)
        self._check(run.record.container_id, exec_id, caller)
        return await give_input(run, data, eof=eof, wait_s=wait_s)

    async def _there(
        self, host: str, arguments: JsonObject, wait_s: float, caller: Caller
    ) -> InputTaken | None:
        """Hand bytes to the host that follows a command; None when it does so no longer, and gave it nothing."""
        try:
            answer = await self._context.ask(host, INPUT, arguments, caller, wait_s)
        except InputUnavailable as error:
            if is_elsewhere(error):
                return None
            raise
        return None if isinstance(answer, Untold) else from_json(InputTaken, answer)

    def _check(self, container_id: str, exec_id: str, caller: Caller) -> None:
        self._context.check(
            Request(operation="exec.input", caller=caller, container_id=container_id, subject=exec_id)
        )
