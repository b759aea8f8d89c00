"""What only the host can do that follows a shell: done here, or handed to it."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar, cast

from devbench_core.errors import ShellElsewhere
from devbench_core.forwarding.asking import Undo, Untold
from devbench_core.json_types import JsonObject
from devbench_core.logs import get_logger
from devbench_core.model.caller import Caller
from devbench_core.model.shell import ShellRun
from devbench_core.records import from_json, to_json
from devbench_core.shells.context import ShellContext
from devbench_core.shells.followed import Followed
from devbench_core.shells.inputs import give
from devbench_core.shells.live import Live
from devbench_core.shells.pages import run_of
from devbench_core.shells.refusals import elsewhere

log = get_logger(__name__)
RUN, CANCEL, INPUT = "shell.run", "shell.cancel", "shell.input"
OPERATIONS = (RUN, CANCEL, INPUT)
HANDOVERS = 3
"""How often a call may find that its shell has just gone to another host."""
T = TypeVar("T")


class Calls:
    """Runs, their ends, and input for them."""

    def __init__(self, context: ShellContext, followed: Followed) -> None:
        self._context = context
        self._followed = followed

    async def run(
        self, shell_id: str, script: str, caller: Caller, *, timeout_s: float, interactive: bool
    ) -> ShellRun:
        """Give a shell a script."""
        more: JsonObject = {"script": script, "timeout_s": timeout_s, "interactive": interactive}
        return await self._anywhere(
            *(RUN, shell_id, more, script, 0.0, caller),
            lambda live: self._run(live, script, caller, timeout_s=timeout_s, interactive=interactive),
            lambda answer: from_json(ShellRun, answer),
            lambda answer: self.give_up(shell_id, from_json(ShellRun, answer).number, caller),
        )

    async def give_up(self, shell_id: str, run: int | None, caller: Caller) -> None:
        """Begin to end a run that nobody waits for, wherever its shell is followed; never raises.

        Args:
            shell_id: Which shell.
            run: Which run, None for whatever the shell is busy with.
            caller: In whose name.
        """

        async def interrupt(live: Live) -> None:
            live.interrupt(run)

        more: JsonObject = {"run": run}
        try:
            await self._anywhere(
                *(CANCEL, shell_id, more, shell_id, 0.0, caller),
                interrupt,
                lambda _: None,
            )
        except Exception as error:  # noqa: BLE001 - an error here would end all of this host's tasks
            log.warning("shell.not_given_up", shell=shell_id, run=run, error=str(error))

    async def cancel(self, shell_id: str, run: int | None, caller: Caller) -> ShellRun | None:
        """End what a shell is busy with, if it is the run that is meant."""
        if run is None:  # whichever host it goes to, and however often: it ends no later one
            present = (await self._followed.get(shell_id, caller)).run
            run = None if present is None else present.number
        more: JsonObject = {"run": run}
        return await self._anywhere(
            *(CANCEL, shell_id, more, shell_id, self._context.ending_within_s, caller),
            lambda live: self._cancel(live, caller, run),
            _run_or_none,
        )

    async def input(self, shell_id: str, data: bytes, caller: Caller) -> int:
        """Send bytes to what the present run's programs read."""
        within_s = self._context.limits.input_timeout_s
        more: JsonObject = {"data": b64encode(data).decode("ascii")}
        return await self._anywhere(
            *(INPUT, shell_id, more, shell_id, within_s, caller),
            lambda live: self._input(live, data, caller),
            lambda answer: cast("int", answer["cursor"]),
        )

    async def serve(self, operation: str, arguments: JsonObject, caller: Caller) -> JsonObject:
        """Do one of the `OPERATIONS` for another host.

        Raises:
            ShellElsewhere: This host does not follow the shell.
        """
        live = await self._followed.live(str(arguments["shell_id"]), caller)
        if operation == RUN:
            seconds = float(cast("float", arguments["timeout_s"]))
            script, interactive = str(arguments["script"]), bool(arguments["interactive"])
            return to_json(await self._run(live, script, caller, timeout_s=seconds, interactive=interactive))
        if operation == CANCEL:
            run = await self._cancel(live, caller, cast("int | None", arguments.get("run")))
            return {"run": None if run is None else to_json(run)}
        return {"cursor": await self._input(live, b64decode(str(arguments["data"])), caller)}

    async def _anywhere(
        self,
        operation: str,
        shell_id: str,
        more: JsonObject,
        subject: object,
        wait_s: float,
        caller: Caller,
        here: Callable[[Live], Awaitable[T]],
        read: Callable[[JsonObject], T],
        undo: Undo | None = None,
    ) -> T:
        context = self._context
        for _ in range(HANDOVERS):
            with suppress(ShellElsewhere):  # also of one that was taken over meanwhile
                return await here(await self._followed.live(shell_id, caller))
            record = await context.execs.get(shell_id, caller=caller)
            context.check(operation, caller, record.container_id, subject)
            arguments: JsonObject = {"shell_id": shell_id, **more}
            with suppress(ShellElsewhere):
                answer = await context.ask(record.instance, operation, arguments, caller, wait_s, undo)
                if not isinstance(answer, Untold):
                    return read(answer)
        return await here(await self._followed.live(shell_id, caller))

    async def _run(
        self, live: Live, script: str, caller: Caller, *, timeout_s: float, interactive: bool
    ) -> ShellRun:
        self._context.check(RUN, caller, live.shell.container_id, script)
        await self._context.resolve(live.shell.container_id, caller)
        return await live.begin(script, timeout_s=timeout_s, interactive=interactive)

    async def _cancel(self, live: Live, caller: Caller, number: int | None) -> ShellRun | None:
        self._context.check(CANCEL, caller, live.shell.container_id, live.shell.id)
        run = live.shell.run
        if run is None or number not in {None, run.number}:
            return None
        live.interrupt(run.number)
        await live.settled(self._context.ending_within_s)
        if live.is_left:
            raise elsewhere(live.shell)
        return run_of(live.shell, run.number)

    async def _input(self, live: Live, data: bytes, caller: Caller) -> int:
        self._context.check(INPUT, caller, live.shell.container_id, live.shell.id)
        return await give(live, data, self._context.limits.input_timeout_s)


def _run_or_none(answer: JsonObject) -> ShellRun | None:
    run = answer.get("run")
    return from_json(ShellRun, cast("JsonObject", run)) if run is not None else None
