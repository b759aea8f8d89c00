"""The use case of persistent shells: open, give scripts, follow, interrupt, close."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePosixPath

from devbench_core.errors import (
    ConcurrencyLimit,
    DevbenchError,
    ShellEnded,
    ValidationFailed,
    Vetoed,
)
from devbench_core.json_types import JsonObject
from devbench_core.logs import get_logger
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import Container
from devbench_core.model.execution import ExecRequest
from devbench_core.model.shell import Shell, ShellKind, ShellPage, ShellReading, ShellRun
from devbench_core.shells import records
from devbench_core.shells.calls import Calls
from devbench_core.shells.closing import Closing
from devbench_core.shells.context import ShellContext, owner
from devbench_core.shells.driver import argv_of
from devbench_core.shells.followed import Followed
from devbench_core.shells.opening import opened
from devbench_core.shells.polling import Poller
from devbench_core.shells.reading import OnPage, Reader, Until
from devbench_core.shells.refusals import check_script

log = get_logger(__name__)
QUIET_S = 1.0
READ_BYTES = 64 * 1024


class Shells:
    """Shells that keep their directory, variables, functions, options and background jobs between runs.

    A shell is a command: its id, record, output, slot, ending and survival are those of a command. Each run has its
    own output, exit code and time limit. The shell says through a stream of its own when a run is over, so nothing that
    a run prints can be taken for its end.
    """

    def __init__(self, context: ShellContext) -> None:
        self._context = context
        self._followed = Followed(context)
        self._poller = Poller(context, self._followed)
        self._opening: dict[str, asyncio.Lock] = {}
        self._calls = Calls(context, self._followed)
        self._reader = Reader(self.poll, context.clock, context.limits.lookback_bytes)

    async def open(
        self,
        container: str,
        *,
        kind: ShellKind = ShellKind.AUTO,
        cwd: PurePosixPath | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        caller: Caller = LOCAL,
    ) -> Shell:
        """Open a shell and return when it answers.

        Args:
            container: Where: an id, or a living container's alias.
            kind: Which program.
            cwd: Where it begins; as for a command.
            env: Merged over the container's environment.
            user: Who it runs as; as for a command.
            caller: Who asks.

        Raises:
            ConcurrencyLimit: As many shells as are allowed are open, or as many commands run.
            ShellEnded: The container has no such program, or it ended at once.
            TimedOut: It did not answer within ``shells.open_timeout_s``, and was ended.
            ShellElsewhere: Another host took it over, which does not say in time whether it answered.
            Vetoed: A reviewer refuses.
        """
        found = await self._context.resolve(container, caller)
        self._context.check("shell.open", caller, found.id, kind)
        lock = self._opening.setdefault(found.id, asyncio.Lock())
        async with lock:
            await self._check_room(found)
            request = ExecRequest(argv=argv_of(kind), cwd=cwd, env=env or {}, user=user)
            record = await self._context.execs.start(found.id, request, side=True, caller=caller)
            if record.ending is not None:
                raise ShellEnded(
                    f"no shell could be started: {record.ending.message}",
                    hint="a shell needs sh or bash in the container",
                )
            now = self._context.clock.now()
            shell = Shell(
                id=record.id,
                container_id=found.id,
                tenant=caller.tenant,
                created_by=caller.subject,
                created_at=now,
                used_at=now,
            )
            try:
                live = await self._followed.begin(shell, caller)
            except BaseException:
                self._context.execs.end_soon(record.id)
                raise
        return await opened(self._context, self._followed, live, caller)

    async def run(
        self,
        shell_id: str,
        script: str,
        *,
        timeout_s: float | None = None,
        interactive: bool = False,
        caller: Caller = LOCAL,
    ) -> ShellRun:
        """Give a shell a script and return at once; `poll` tells how it goes.

        At its time limit, or when it is cancelled, it is interrupted like by Ctrl-C (INT), after a grace killed
        without its background jobs, after another with them, and after a third the shell is ended. ``shell_kept``
        of the run says whether it came to that.

        Args:
            shell_id: Which shell.
            script: In its language. It runs in the shell itself: ``exit`` ends that.
            timeout_s: None is ``shells.default_timeout_s``.
            interactive: Let its programs read what `input` sends; else their input is empty.
            caller: Who asks.

        Raises:
            ValidationFailed: The script is too long or holds NUL, or the time limit is out of bounds.
            ShellNotFound: The caller's tenant has no such shell.
            ShellBusy: The last run has not ended.
            ShellEnded: The shell has.
            TimedOut: The host that follows it does not answer; the message says whether it may have begun.
            Vetoed: A reviewer refuses.
        """
        limits = self._context.limits
        seconds = limits.default_timeout_s if timeout_s is None else timeout_s
        if not 0 < seconds <= limits.max_timeout_s:
            raise ValidationFailed(
                "timeout_s",
                f"must be above 0 and at most {limits.max_timeout_s:g} seconds",
                limit=limits.max_timeout_s,
            )
        check_script(script, limits.script_max_bytes)
        return await self._calls.run(shell_id, script, caller, timeout_s=seconds, interactive=interactive)

    async def poll(
        self,
        shell_id: str,
        *,
        after: int = 0,
        run: int | None = None,
        max_bytes: int | None = None,
        wait_s: float = 0.0,
        caller: Caller = LOCAL,
    ) -> ShellPage:
        """Return output after a cursor, waiting for some when there is none yet, or for the run's end.

        Args:
            shell_id: Which shell.
            after: The cursor of the last page, or a run's ``after``.
            run: Only this run's output, which ends where the run does; None for whatever comes.
            max_bytes: Bound of this page.
            wait_s: How long to wait.
            caller: Who asks.

        Raises:
            ShellNotFound: The caller's tenant has no such shell, or no such run is remembered.
        """
        return await self._poller.poll(shell_id, after, run, max_bytes, wait_s, caller)

    async def read(
        self,
        shell_id: str,
        *,
        after: int = 0,
        run: int | None = None,
        until: Sequence[str] = (),
        until_regex: Sequence[str] = (),
        quiet_s: float = QUIET_S,
        wait_s: float = 10.0,
        max_bytes: int = READ_BYTES,
        on_page: OnPage | None = None,
        caller: Caller = LOCAL,
    ) -> ShellReading:
        """Read output until something: for a program that is talked to.

        Args:
            shell_id: Which shell.
            after: The cursor of the last reading or page.
            run: Only this run's output, which ends where the run does; None for whatever comes.
            until: Stop at one of these plain texts.
            until_regex: Stop at a match of one of these expressions (RE2's) in what has come: ``$`` is its end,
                ``^`` where reading began. A match of up to ``shells.lookback_bytes`` is found wherever output is cut.
            quiet_s: Without either, stop when something came and then nothing for so long; 0 is as soon as
                something came.
            wait_s: Stop after so long in any case; 0 returns what is there.
            max_bytes: Stop when there is so much, about.
            on_page: Awaited for each page that is not the last.
            caller: Who asks.

        Raises:
            ValidationFailed: There are too many texts or expressions, or one is empty, too long or too complex, or no
                expression.
            ShellNotFound: The caller's tenant has no such shell, or no such run is remembered.
        """
        stop_at = Until(
            run=run, texts=until, expressions=until_regex, quiet_s=quiet_s, wait_s=wait_s, max_bytes=max_bytes
        )
        return await self._reader.read(shell_id, after, stop_at, on_page, caller)

    async def cancel(
        self, shell_id: str, *, run: int | None = None, caller: Caller = LOCAL
    ) -> ShellRun | None:
        """End the run that a shell is busy with and return it; None when there was none.

        Args:
            shell_id: Which shell.
            run: Only this run; None for whatever the shell is busy with.
            caller: Who asks.

        Raises:
            ShellNotFound: The caller's tenant has no such shell.
            TimedOut: It did not end within all graces and the end of a command: its agent, or the host that follows
                it, does not answer. It is still being ended.
            Vetoed: A reviewer refuses.
        """
        return await self._calls.cancel(shell_id, run, caller)

    def interrupt_soon(self, shell_id: str, *, run: int | None = None, caller: Caller = LOCAL) -> None:
        """Begin to end the run of a shell without waiting: its caller went away.

        Args:
            shell_id: Which shell.
            run: Only this run; None for whatever the shell is busy with.
            caller: Who went away.
        """
        live = self._followed.here(shell_id)
        if live is not None:
            live.interrupt(run)
        else:
            giving_up = self._calls.give_up(shell_id, run, caller)
            self._context.tasks.create_task(giving_up, name=f"give up {shell_id}")

    async def input(self, shell_id: str, data: bytes, *, caller: Caller = LOCAL) -> int:
        """Send bytes to what the present run's programs read; returns the cursor of the output before it.

        Raises:
            ValidationFailed: It is too much at once, or nothing.
            ShellIdle: No interactive run is under way.
            InputUnavailable: The shell has no input any more, since a script closed it; nothing was sent.
            TimedOut: The program did not read what it has within ``shells.input_timeout_s``; nothing was sent. Or the
                host that follows it does not answer; the message says whether it may have sent it.
            ShellNotFound: The caller's tenant has no such shell.
            Vetoed: A reviewer refuses.
        """
        limits = self._context.limits
        if not 0 < len(data) <= limits.input_max_bytes:
            raise ValidationFailed(
                "input", f"must be 1-{limits.input_max_bytes} bytes", limit=limits.input_max_bytes
            )
        return await self._calls.input(shell_id, data, caller)

    async def get(self, shell_id: str, *, caller: Caller = LOCAL) -> Shell:
        """Return the record of a shell, open or ended.

        Raises:
            ShellNotFound: The caller's tenant has no such shell.
        """
        return await self._followed.get(shell_id, caller)

    async def list(self, container: str, *, ended: bool = False, caller: Caller = LOCAL) -> tuple[Shell, ...]:
        """Return a container's shells, the oldest first.

        Args:
            container: Also one that has ended.
            ended: Also those that have ended.
            caller: Who asks.

        Raises:
            ContainerNotFound: The caller's tenant has no such container.
        """
        found = await self._context.find(container, caller)
        return await self._followed.of_container(found.id, caller, ended=ended)

    async def close(self, shell_id: str, *, caller: Caller = LOCAL) -> Shell:
        """End a shell with everything that it started, and return when nothing of it is left. Idempotent.

        Raises:
            ShellNotFound: The caller's tenant has no such shell.
            TimedOut: It did not end in time; the agent goes on killing.
            AgentUnavailable: The agent cannot be reached.
            Vetoed: A reviewer refuses.
        """
        shell = await self.get(shell_id, caller=caller)
        if shell.ended:
            return shell
        self._context.check("shell.close", caller, shell.container_id, shell_id)
        return await self._close(shell, caller)

    async def serve(self, operation: str, arguments: JsonObject, caller: Caller) -> JsonObject:
        """Do something with a shell for another host, which handed the call to this one."""
        return await self._calls.serve(operation, arguments, caller)

    async def sweep(self) -> None:
        """Begin to close shells of which nothing was asked for long, and note those that have ended since.

        One shell's trouble does not keep the others from being looked at, and no shell's end is waited for: its agent
        may not answer, and the reaper has others to look after.
        """
        async for found in records.all_of(self._context.store, records.LIVE):
            caller = owner(found)
            try:
                shell = await self.get(found.id, caller=caller)
                idle_since = shell.used_at + timedelta(seconds=self._context.limits.idle_s)
                if shell.ended or shell.run is not None or self._context.clock.now() < idle_since:
                    continue
                live = self._followed.here(shell.id) or await self._followed.adopt(shell)
                if live is not None:
                    live.closing(Closing(why="idle"))
                    self._context.execs.end_soon(shell.id)
            except DevbenchError as error:
                log.warning("shell.sweep_failed", shell=found.id, error=error.message)

    async def forget(self, container_id: str) -> None:
        """Remove the records of a container's shells. Safe to repeat."""
        self._opening.pop(container_id, None)
        await self._followed.forget(container_id)

    def aclose(self) -> None:
        """Follow no shell any longer. They run on; the next host that is asked goes on where this one was."""
        self._followed.close()
        self._reader.close()

    async def _check_room(self, container: Container) -> None:
        limit = self._context.limits.per_container
        caller = Caller(tenant=container.tenant)
        if len(await self.list(container.id, caller=caller)) >= limit:
            raise ConcurrencyLimit(
                f"{limit} shells are open in container {container.id!r}",
                hint="close one, or use one of them; the limit is shells.per_container",
                details={"limit": limit, "setting": "shells.per_container"},
            )

    async def _close(self, shell: Shell, caller: Caller) -> Shell:
        closing, live = Closing(why="closed", caller=caller), self._followed.here(shell.id)
        if live is not None:
            live.closing(closing)
        try:
            await self._context.execs.cancel(shell.id, caller=caller)
        except Vetoed:
            if live is not None:
                live.not_closing(closing)
            raise
        if live is not None:
            await live.settled(self._context.ending_within_s)
            shell = live.shell
        return shell if shell.ended else await self._followed.note_end(shell, closing)
