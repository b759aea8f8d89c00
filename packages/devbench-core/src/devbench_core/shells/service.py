"""The use case of persistent shells: open, give scripts, follow, interrupt, close."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from math import inf
from pathlib import PurePosixPath

import attrs

from devbench_core.channel.stdin import pieces
from devbench_core.contracts.store import Remove
from devbench_core.errors import (
    ConcurrencyLimit,
    Conflict,
    DevbenchError,
    ExecNotFound,
    ExecPurged,
    InputUnavailable,
    ShellEnded,
    ShellIdle,
    TimedOut,
    ValidationFailed,
    Vetoed,
)
from devbench_core.logs import get_logger
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import Container
from devbench_core.model.execution import ExecRequest, Page
from devbench_core.model.shell import Shell, ShellKind, ShellPage, ShellReading, ShellRun
from devbench_core.shells import records
from devbench_core.shells.closing import ENDED_ALONE, Closing
from devbench_core.shells.context import ShellContext, owner
from devbench_core.shells.driver import argv_of
from devbench_core.shells.follow import Follower
from devbench_core.shells.live import Live, ended_run
from devbench_core.shells.pages import before_report, pause, run_of, shown
from devbench_core.shells.reading import OnPage, Reader, Until
from devbench_core.shells.refusals import check_script, elsewhere, over

log = get_logger(__name__)
QUIET_S = 1.0
READ_BYTES = 64 * 1024
LOOK_EVERY_S = 1.0  # how often the end of a run is looked for where another host follows it


class Shells:
    """Shells that keep their directory, variables, functions, options and background jobs between runs.

    A shell is a command: its id, record, output, slot, ending and survival are those of a command. Each run has its
    own output, exit code and time limit. The shell says through a stream of its own when a run is over, so nothing that
    a run prints can be taken for its end.
    """

    def __init__(self, context: ShellContext) -> None:
        self._context = context
        self._lives: dict[str, Live] = {}
        self._opening: dict[str, asyncio.Lock] = {}
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
                live = await self._begin(shell, caller)
            except BaseException:
                self._context.execs.end_soon(record.id)
                raise
        return await self._opened(live, caller)

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
            ShellElsewhere: Another living host follows it.
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
        live = await self._live(shell_id, caller)
        self._context.check("shell.run", caller, live.shell.container_id, script)
        await self._context.resolve(live.shell.container_id, caller)
        return await live.begin(script, timeout_s=seconds, interactive=interactive)

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
        deadline = self._context.clock.monotonic_s() + wait_s
        cursor, clip = after, run is not None
        while True:
            live = self._lives.get(shell_id)
            changed = None if live is None else live.changed
            shell = await self.get(shell_id, caller=caller)
            newest = shell.runs[-1] if shell.runs else None
            if run is None and newest and newest.number and (shell.run or newest.until > after):
                run = newest.number  # its end is news
            rest_s = max(0.0, deadline - self._context.clock.monotonic_s())
            found = run_of(shell, run)
            is_over = shell.ended or (found is not None and found.ended_at is not None and run is not None)
            whole = await self._page(shell_id, cursor, max_bytes, 0.0 if is_over else rest_s, changed, caller)
            page = before_report(whole, found)
            answer = shown(page, found, clip=clip, awaited=run is not None)
            if answer.chunks or answer.complete or answer.ending is not None or not rest_s:
                return answer
            cursor = answer.cursor
            if whole.ending is not None or page is not whole:  # the end of the run is being written down
                await pause(changed, min(rest_s, LOOK_EVERY_S))

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

    async def cancel(self, shell_id: str, *, caller: Caller = LOCAL) -> ShellRun | None:
        """End the run that a shell is busy with and return it; None when there was none.

        Raises:
            ShellNotFound: The caller's tenant has no such shell.
            ShellElsewhere: Another living host follows it.
            TimedOut: It did not end within all graces and the end of a command: its agent does not answer. It is
                still being ended.
            Vetoed: A reviewer refuses.
        """
        live = await self._live(shell_id, caller)
        self._context.check("shell.cancel", caller, live.shell.container_id, shell_id)
        run = live.shell.run
        if run is None:
            return None
        live.interrupt()
        await live.settled(self._context.ending_within_s)
        return run_of(live.shell, run.number)

    def interrupt_soon(self, shell_id: str) -> None:
        """Begin to end the run of a shell that this host follows, without waiting: its caller went away."""
        live = self._lives.get(shell_id)
        if live is not None:
            live.interrupt()

    async def input(self, shell_id: str, data: bytes, *, caller: Caller = LOCAL) -> int:
        """Send bytes to what the present run's programs read; returns the cursor of the output before it.

        Raises:
            ValidationFailed: It is too much at once, or nothing.
            ShellIdle: No interactive run is under way.
            InputUnavailable: The shell has no input any more, since a script closed it; nothing was sent.
            TimedOut: The program did not read what it has within ``shells.input_timeout_s``; nothing was sent.
            ShellNotFound: The caller's tenant has no such shell.
            ShellElsewhere: Another living host follows it.
            Vetoed: A reviewer refuses.
        """
        limits = self._context.limits
        if not 0 < len(data) <= limits.input_max_bytes:
            raise ValidationFailed(
                "input", f"must be 1-{limits.input_max_bytes} bytes", limit=limits.input_max_bytes
            )
        live = await self._live(shell_id, caller)
        self._context.check("shell.input", caller, live.shell.container_id, shell_id)
        run, stdin, stream = live.shell.run, live.command.stdin, live.command.stream
        if run is None or not run.interactive or stdin is None or stream is None:
            raise ShellIdle(
                f"nothing in shell {shell_id!r} reads an input",
                hint="start the program with an interactive run first",
            )
        try:
            async with asyncio.timeout(limits.input_timeout_s), live.input_lock:
                cursor, is_taken = live.command.journal.cut(), True
                for piece in pieces(data):  # one, by the bound
                    is_taken = await stdin.add(piece)
        except TimeoutError as error:
            raise TimedOut(
                f"the program in shell {shell_id!r} did not read within {limits.input_timeout_s:g} s",
                hint="nothing of this input was sent",
                details={"limit": limits.input_timeout_s, "setting": "shells.input_timeout_s"},
            ) from error
        if not is_taken:
            raise InputUnavailable(
                f"shell {shell_id!r} has no input any more; nothing was sent",
                hint="a script closed it or sent it elsewhere, as by `exec <`; open another shell",
                details={"reason": "closed", "accepted_bytes": 0},
            )
        stream.push_stdin()
        live.touch()
        return cursor

    async def get(self, shell_id: str, *, caller: Caller = LOCAL) -> Shell:
        """Return the record of a shell, open or ended.

        Raises:
            ShellNotFound: The caller's tenant has no such shell.
        """
        live = self._lives.get(shell_id)
        shell = await records.load(self._context.store, shell_id, caller) if live is None else live.shell
        if shell.tenant != caller.tenant:
            raise records.not_found(shell_id)
        if shell.ended:
            return shell
        if await self._is_over(shell) and (live is None or live.shell.run is None):
            return await self._note_end(shell)
        if live is None and shell.run is not None:  # its host may have died: somebody must see to its end
            live = await self._adopt(shell)
        return shell if live is None else live.shell

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
        terms = [f"container={found.id}", *([] if ended else [records.LIVE])]
        shells = [
            await self.get(each.id, caller=caller)
            async for each in records.all_of(self._context.store, *terms)
        ]
        return tuple(sorted([each for each in shells if ended or not each.ended], key=lambda s: s.created_at))

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
                live = self._lives.get(shell.id) or await self._adopt(shell)
                if live is not None:
                    live.closing(Closing(why="idle"))
                    self._context.execs.end_soon(shell.id)
            except DevbenchError as error:
                log.warning("shell.sweep_failed", shell=found.id, error=error.message)

    async def forget(self, container_id: str) -> None:
        """Remove the records of a container's shells. Safe to repeat."""
        self._opening.pop(container_id, None)
        async for shell in records.all_of(self._context.store, f"container={container_id}"):
            self._lives.pop(shell.id, None)
            await self._context.store.apply(Remove(kind=records.KIND, key=shell.id))

    def aclose(self) -> None:
        """Follow no shell any longer. They run on; the next host that is asked goes on where this one was."""
        for live in self._lives.values():
            live.stop()
        self._lives.clear()
        self._reader.close()

    async def _begin(self, shell: Shell, caller: Caller) -> Live:
        command = await self._context.execs.followed(shell.id, caller=caller)
        if command is None:
            raise elsewhere(shell)
        live = Live(self._context, await records.save(self._context.store, shell), command)
        self._lives[shell.id] = live
        await live.begin("", timeout_s=self._context.limits.open_timeout_s, interactive=False)
        return live

    async def _opened(self, live: Live, caller: Caller) -> Shell:
        """Wait for the first answer."""
        try:
            await live.settled(self._context.limits.open_timeout_s + self._context.ending_within_s)
        except (asyncio.CancelledError, TimedOut):
            self._context.execs.end_soon(live.shell.id)
            raise
        run = live.shell.runs[-1]
        if not run.shell_kept:
            seconds = self._context.limits.open_timeout_s
            spoke = await self._context.execs.poll(live.shell.id, caller=caller)
            words = b"".join([chunk.data for chunk in spoke.chunks]).decode(errors="replace")[:200]
            raise ShellEnded(
                f"shell {live.shell.id!r} ended before it answered, at most {seconds:g} s after its start: {words}",
                hint="the limit is shells.open_timeout_s",
                details={"exec_id": live.shell.id},
            )
        self._context.tell("shell.opened", live.shell, caller, {"program": live.shell.program})
        return live.shell

    async def _check_room(self, container: Container) -> None:
        limit = self._context.limits.per_container
        caller = Caller(tenant=container.tenant)
        if len(await self.list(container.id, caller=caller)) >= limit:
            raise ConcurrencyLimit(
                f"{limit} shells are open in container {container.id!r}",
                hint="close one, or use one of them; the limit is shells.per_container",
                details={"limit": limit, "setting": "shells.per_container"},
            )

    async def _live(self, shell_id: str, caller: Caller) -> Live:
        """Return a shell that this host follows; one of a dead host is taken over."""
        shell = await self.get(shell_id, caller=caller)
        if shell.ended:
            raise over(shell)
        live = self._lives.get(shell_id) or await self._adopt(shell)
        if live is None:
            raise elsewhere(shell)
        live.touch()
        return live

    async def _adopt(self, shell: Shell) -> Live | None:
        command = await self._context.execs.followed(shell.id, caller=owner(shell))
        if command is None:
            return None
        known = self._lives.get(shell.id)
        if known is not None:
            return known
        live = self._lives[shell.id] = Live(self._context, shell, command)
        return live

    async def _close(self, shell: Shell, caller: Caller) -> Shell:
        closing, live = Closing(why="closed", caller=caller), self._lives.get(shell.id)
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
        return shell if shell.ended else await self._note_end(shell, closing)

    async def _is_over(self, shell: Shell) -> bool:
        """Tell whether the command which a shell is has ended; only one that has is purged."""
        try:
            return (await self._context.execs.get(shell.id, caller=owner(shell))).ending is not None
        except (ExecPurged, ExecNotFound):
            return True

    async def _note_end(self, shell: Shell, closing: Closing = ENDED_ALONE) -> Shell:
        """Write down that the command which a shell is has ended, and so has a run that nobody followed to its end."""
        live = self._lives.get(shell.id)
        try:
            if live is not None:
                await live.end()
                self._lives.pop(shell.id, None)
                return live.shell
            runs, run = shell.runs, shell.run
            if run is not None:
                outcome = await Follower(self._context, shell, run, None, inf).rest()
                runs = (*runs[:-1], ended_run(run, outcome, self._context))
            gone = attrs.evolve(shell, runs=runs, ended=True, secret="")
            gone = await records.save(self._context.store, gone)
        except Conflict:
            self._lives.pop(shell.id, None)
            return await records.load(self._context.store, shell.id, owner(shell))
        closing.tell(self._context, gone)
        return gone

    async def _page(
        self,
        shell_id: str,
        after: int,
        max_bytes: int | None,
        wait_s: float,
        changed: asyncio.Event | None,
        caller: Caller,
    ) -> Page:
        """Return output, or nothing as soon as the present run ends."""
        execs = self._context.execs
        if not wait_s:
            return await execs.poll(shell_id, after=after, max_bytes=max_bytes, caller=caller)
        if changed is None:
            wait_s = min(wait_s, LOOK_EVERY_S)
            return await execs.poll(shell_id, after=after, max_bytes=max_bytes, wait_s=wait_s, caller=caller)
        ending = asyncio.create_task(changed.wait())
        reading = asyncio.create_task(
            execs.poll(shell_id, after=after, max_bytes=max_bytes, wait_s=wait_s, caller=caller)
        )
        try:
            await asyncio.wait({ending, reading}, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else Page(chunks=(), cursor=after)
        finally:
            ending.cancel()
            reading.cancel()
            await asyncio.gather(ending, reading, return_exceptions=True)
