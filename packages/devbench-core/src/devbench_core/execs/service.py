"""The use case of commands: validate, review, record, run, and answer for it ever after."""

from __future__ import annotations

import asyncio

import attrs

from devbench_core.channel.codes import Scope
from devbench_core.errors import (
    ContainerExited,
    DevbenchError,
    TimedOut,
    ValidationFailed,
)
from devbench_core.execs import endings, foreign, listing, own, records
from devbench_core.execs.adopt import Adopter
from devbench_core.execs.context import ExecContext
from devbench_core.execs.finding import Finder
from devbench_core.execs.inputs import Inputs
from devbench_core.execs.keyed import KeyedStarts
from devbench_core.execs.process import ExecProcess
from devbench_core.execs.retention import Retention
from devbench_core.execs.run import Run
from devbench_core.execs.runs import Runs
from devbench_core.execs.settling import Settler
from devbench_core.execs.slots import Slots
from devbench_core.execs.starting import Starter
from devbench_core.execs.validate import milliseconds, signal_number, terminal_size
from devbench_core.journal.ends import read_ends
from devbench_core.journal.journal import Journal
from devbench_core.journal.log import find_end, log_name
from devbench_core.logs import get_logger
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import Container, ContainerEnding
from devbench_core.model.event import Request
from devbench_core.model.execution import (
    Ends,
    Exec,
    ExecRequest,
    InputTaken,
    Mark,
    Page,
    SignalScope,
    TerminalSize,
)
from devbench_core.model.finding import Finding

log = get_logger(__name__)
CLOSE_WAIT_S = 5.0


class Execs:
    """Run commands and follow them. ``container`` is an id or a living container's alias.

    Every accepted command has exactly one ending, which any host of the installation can be asked for. Output
    is kept in the store, numbered from 1; what was shown once is never shown differently. Ended commands are kept
    as long, and as many, as is configured.
    """

    def __init__(self, context: ExecContext) -> None:
        self._context = context
        self._slots = Slots(context.limits)
        self._runs = Runs(context.limits)
        self._retention = Retention(context, self._runs)
        self._settler = Settler(context)
        self._adopter = Adopter(context, self._adopted, self._runs.followed)
        self._starter = Starter(context, self._slots, self._settler, self._follow)
        self._finder = Finder(context, self._runs, self._adopter)
        self._inputs = Inputs(context, self._runs, self._finder)
        self._keyed = KeyedStarts(context, self._starter, self._finder.find)

    async def start(
        self,
        container: str,
        request: ExecRequest,
        *,
        open_stdin: bool = False,
        idempotency_key: str | None = None,
        side: bool = False,
        outlives_caller: bool = False,
        caller: Caller = LOCAL,
    ) -> Exec:
        """Start a command and return when its program was executed, or could not be.

        A command that could not be executed has its ending already (``failed_to_start``). A caller that is
        cancelled while it waits here ends the command, unless that shall outlive it.

        With an idempotency key, the same request under the same key by the same caller in the same container
        returns the same command with ``replayed`` set, whatever became of it, for ``execs.idempotency_ttl_s``. A
        command that certainly never ran (it failed to start, or was not sent) leaves its key free. A caller that is
        cancelled does not end such a command once it is claimed: a repeat finds it.

        Args:
            container: Where.
            request: What.
            open_stdin: Keep its input open after ``request.stdin``, for `write_input` and `Process.write`; that of a
                terminal always is.
            idempotency_key: 1-200 printable characters.
            side: Give it a side stream and an open input that the next host goes on with: for `Shells`, without a
                key.
            outlives_caller: Let it go on once it was sent, also when the caller is cancelled before it heard of that.
            caller: Who asks.

        Raises:
            ValidationFailed: A field is wrong; nothing was done.
            Conflict: The key stands for a different request.
            ContainerNotFound: The caller's tenant has no such container.
            ContainerExited: It has ended.
            Vetoed: A reviewer refuses.
            PathOutside: ``request.cwd`` shall be made and lies outside of the workspace; nothing was started.
            FileFailed: It cannot be made; likewise.
            ConcurrencyLimit: As many commands as are allowed run, and none ended within ``request.queue_s``.
            AgentUnavailable: The agent cannot be reached; nothing was started.
            StoreFailed: It could not be recorded, so it was ended again, if it had begun, without a trace.
            TimedOut: The agent did not say in time whether it started; it is being ended, and
                ``details["exec_id"]`` names it.
        """
        if idempotency_key is None:
            return await self._starter.start(
                container,
                request,
                open_stdin=open_stdin,
                side=side,
                outlives_caller=outlives_caller,
                caller=caller,
            )
        return await self._keyed.start(
            container, request, idempotency_key, open_stdin=open_stdin, caller=caller
        )

    async def poll(
        self,
        exec_id: str,
        *,
        after: int = 0,
        max_bytes: int | None = None,
        wait_s: float = 0.0,
        caller: Caller = LOCAL,
    ) -> Page:
        """Return output after a cursor, waiting for some when there is none yet.

        Args:
            exec_id: Which command.
            after: The cursor of the last page, 0 for the beginning.
            max_bytes: Bound of this page, at most ``execs.poll_max_bytes``; one chunk (up to 64 KiB) always
                fits.
            wait_s: How long to wait, at most ``execs.poll_max_wait_s``.
            caller: Who asks.

        Raises:
            ValidationFailed: A number is negative, or this is no id of a command.
            ExecNotFound: The caller's tenant has no such command.
            ExecPurged: It ended, and is kept no longer.
        """
        limits = self._context.limits
        if after < 0 or wait_s < 0 or (max_bytes is not None and max_bytes < 1):
            raise ValidationFailed("after, max_bytes, wait_s", "must not be negative; max_bytes at least 1")
        size = limits.poll_max_bytes if max_bytes is None else min(max_bytes, limits.poll_max_bytes)
        deadline = self._context.clock.monotonic_s() + min(wait_s, limits.poll_max_wait_s)
        while True:
            found = await self._finder.find(exec_id, caller)
            rest_s = deadline - self._context.clock.monotonic_s()
            page = await own.page(found, after, size, rest_s) if isinstance(found, Run) else None
            if page is None:
                record = await self._finder.stored(exec_id, found, caller)
                page = await foreign.page(self._context.store, record, after, size, caller)
                if not foreign.says_something(page):
                    await foreign.pause(rest_s)
            if foreign.says_something(page) or self._context.clock.monotonic_s() >= deadline:
                return page

    async def news(
        self, exec_id: str, *, seen: Mark | None, wait_s: float = 0.0, caller: Caller = LOCAL
    ) -> Mark:
        """Return how far a command has got, waiting while that is no further than what was seen.

        Reads no output. Of a command that another host follows the news comes up to
        `foreign.WATCH_EVERY_S` late.

        Args:
            exec_id: Which command.
            seen: The last mark, None to get the present one at once.
            wait_s: How long to wait, at most ``execs.poll_max_wait_s``.
            caller: Who asks.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
            StoreFailed: The store could not be read.
        """
        clock, known = self._context.clock, seen or Mark()
        deadline = clock.monotonic_s() + min(wait_s, self._context.limits.poll_max_wait_s)
        while True:
            run = await self._finder.find(exec_id, caller)
            if isinstance(run, Run):
                if seen is not None:
                    await run.journal.wait(seen.seq, deadline - clock.monotonic_s())
                mark = own.mark(run)
            else:
                mark = await foreign.mark(self._context.store, run, known)
            rest_s = deadline - clock.monotonic_s()
            if seen is None or mark != seen or mark.ended or rest_s <= 0:
                return mark
            await foreign.pause(rest_s, foreign.WATCH_EVERY_S)  # also for a run that was just left or taken

    async def ends(
        self,
        exec_id: str,
        *,
        after: int = 0,
        until: int | None = None,
        limit_bytes: int,
        limit_chunks: int,
        caller: Caller = LOCAL,
    ) -> Ends:
        """Return the beginning and the end of a command's output so far; what is read is bounded.

        Args:
            exec_id: Which command.
            after: Only what comes after this cursor.
            until: And no further than this one.
            limit_bytes: Half for each; a chunk that crosses the limit (up to 64 KiB) is there as a whole.
            limit_chunks: Half for each.
            caller: Who asks.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
            StoreFailed: The store could not be read.
        """
        found = await self._finder.find(exec_id, caller)
        store, log = self._context.store, log_name(exec_id)
        if isinstance(found, Run):
            mark = own.mark(found)
            last, ending = mark.seq, found.record.ending if mark.ended else None
        else:
            ending = records.read(found).ending  # before the output is read, which is complete then
            last, _ = await find_end(store, log)
        last = last if until is None else min(last, until)
        ends = await read_ends(
            store, log, after=after, last=last, limit_bytes=limit_bytes, limit_chunks=limit_chunks
        )
        return attrs.evolve(ends, ending=ending)

    async def wait(self, exec_id: str, *, wait_s: float, caller: Caller = LOCAL) -> Exec:
        """Return the record when the command ended, or as it is after the wait (``ending`` is None then).

        Args:
            exec_id: Which command.
            wait_s: At most ``execs.poll_max_wait_s``.
            caller: Who asks.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
            ExecPurged: It ended, and is kept no longer.
        """
        if wait_s < 0:
            raise ValidationFailed("wait_s", "must not be negative")
        return await self._wait(exec_id, min(wait_s, self._context.limits.poll_max_wait_s), caller)

    async def cancel(self, exec_id: str, *, caller: Caller = LOCAL) -> Exec:
        """End the whole process tree (TERM, a grace, KILL) and return when nothing of it is left. Idempotent.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
            ExecPurged: It ended, and is kept no longer.
            Vetoed: A reviewer refuses.
            TimedOut: It did not end within the grace and ``execs.cancel_timeout_s``; the agent goes on killing.
            AgentUnavailable: The agent cannot be reached.
        """
        found = await self._finder.find(exec_id, caller)
        record = found.record if isinstance(found, Run) else records.read(found)
        if record.ending is not None:
            return record
        self._context.check(
            Request(operation="exec.cancel", caller=caller, container_id=record.container_id, subject=exec_id)
        )
        grace_s = self._context.limits.grace_s
        if isinstance(found, Run) and found.stream is not None:
            found.stream.cancel(milliseconds(grace_s))
        else:
            container = await self._context.find(record.container_id, caller)
            link = await self._context.link(container, record.user)
            await foreign.cancel(link, exec_id, milliseconds(grace_s))
        seconds = self.ending_within_s
        record = await self._wait(exec_id, seconds, caller)
        if record.ending is None:
            raise TimedOut(
                f"command {exec_id!r} did not end within {seconds:g} s",
                hint="the agent goes on killing it; kill the container if it must be gone",
                details={"limit": seconds, "setting": "execs.cancel_timeout_s"},
            )
        return record

    @property
    def ending_within_s(self) -> float:
        """How long `cancel` waits at most for the end: the grace and ``execs.cancel_timeout_s``."""
        return self._context.limits.grace_s + self._context.limits.cancel_timeout_s

    async def followed(self, exec_id: str, *, caller: Caller = LOCAL) -> Run | None:
        """Return a command that this host follows or followed, None when another living host does.

        One that it is just taking over is returned once its agent is reached; None when that is given up.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
        """
        found = await self._finder.reach(exec_id, caller)
        return found if isinstance(found, Run) and not found.is_left else None

    def end_soon(self, exec_id: str) -> None:
        """Begin to end a command that this host follows, without waiting: its caller went away."""
        run = self._runs.followed(exec_id)
        if run is not None and run.stream is not None:
            run.stream.cancel(milliseconds(self._context.limits.grace_s))

    async def signal(
        self,
        exec_id: str,
        signal: str | int,
        *,
        scope: SignalScope = SignalScope.TREE,
        caller: Caller = LOCAL,
    ) -> bool:
        """Send a signal to a running command; returns whether it was sent: not to one that has ended.

        Sending it again sends it again.

        Args:
            exec_id: Which command.
            signal: Its name (``TERM``, ``SIGUSR1``) or number, 1-64.
            scope: Whom it reaches.
            caller: Who asks.

        Raises:
            ValidationFailed: There is no such signal.
            ExecNotFound: The caller's tenant has no such command.
            ExecPurged: It ended, and is kept no longer.
            Vetoed: A reviewer refuses.
            AgentUnavailable: The agent cannot be reached.
        """
        number = signal_number(signal)
        found = await self._finder.find(exec_id, caller)
        record = found.record if isinstance(found, Run) else records.read(found)
        if record.ending is not None:
            return False
        self._context.check(
            Request(operation="exec.signal", caller=caller, container_id=record.container_id, subject=exec_id)
        )
        where = Scope[scope.name]
        container = await self._context.find(record.container_id, caller)
        link = await self._context.link(container, record.user)
        return await foreign.signal(link, exec_id, number, where)

    async def write_input(
        self, exec_id: str, data: bytes, *, eof: bool = False, wait_s: float = 10.0, caller: Caller = LOCAL
    ) -> InputTaken:
        """Give bytes to a command's open stdin, waiting while it does not read; what was taken is in order.

        The host that follows the command does it, which holds what the command has not read yet; any other hands the
        bytes to it. Of several writers each gets its turn with the whole of its bytes. Sending it again gives it again.

        Args:
            exec_id: Which command: one with a terminal, or started with ``open_stdin``.
            data: At most ``execs.stdin_max_bytes``.
            eof: Give end of file after all of them. At a terminal ^D is typed, and nothing can be typed after it; to
                type it and go on, send the byte 4.
            wait_s: How long to wait for the command to read, at most ``execs.poll_max_wait_s``.
            caller: Who asks.

        Raises:
            TooLarge: There are too many bytes.
            ExecNotFound: The caller's tenant has no such command.
            InputUnavailable: It has ended, or has no open stdin; ``details["reason"]`` says which.
                ``details["accepted_bytes"]`` were taken before.
            TimedOut: The host that follows it does not answer; the message says whether it may have given the bytes.
            Vetoed: A reviewer refuses.
        """
        return await self._inputs.give(exec_id, data, eof=eof, wait_s=wait_s, caller=caller)

    @property
    def inputs(self) -> Inputs:
        """Input for commands, as hosts hand it to each other."""
        return self._inputs

    async def resize(self, exec_id: str, size: TerminalSize, *, caller: Caller = LOCAL) -> bool:
        """Resize a command's terminal; returns whether it was: not that of a command that has ended.

        Raises:
            ValidationFailed: The size is none, or the command has no terminal.
            ExecNotFound: The caller's tenant has no such command.
            Vetoed: A reviewer refuses.
            AgentUnavailable: The agent cannot be reached.
        """
        size = terminal_size(size)
        found = await self._finder.find(exec_id, caller)
        record = found.record if isinstance(found, Run) else records.read(found)
        if not record.tty:
            raise ValidationFailed(
                "exec_id", f"{exec_id!r} has no terminal", hint="start a command with `tty` to give it one"
            )
        if record.ending is not None:
            return False
        self._context.check(
            Request(operation="exec.resize", caller=caller, container_id=record.container_id, subject=exec_id)
        )
        container = await self._context.find(record.container_id, caller)
        link = await self._context.link(container, record.user)
        return await foreign.resize(link, exec_id, size)

    async def list(
        self, container: str, *, running: bool = False, caller: Caller = LOCAL
    ) -> tuple[Exec, ...]:
        """Return a container's newest commands, the oldest of them first, at most a thousand.

        Args:
            container: Also one that has ended.
            running: Only those that have not ended.
            caller: Who asks.

        Raises:
            ContainerNotFound: The caller's tenant has no such container.
        """
        found = await self._context.find(container, caller)
        return await self.running(found) if running else await self._newest(found)

    async def get(self, exec_id: str, *, caller: Caller = LOCAL) -> Exec:
        """Return the record of a command, running or ended.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
            ExecPurged: It ended, and is kept no longer.
        """
        found = await self._finder.find(exec_id, caller)
        return found.record if isinstance(found, Run) else records.read(found)

    async def process(self, exec_id: str, *, caller: Caller = LOCAL) -> ExecProcess:
        """Return a command as a `Process`: its output as an iteration, its input, signals, its ending.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
            ExecPurged: It ended, and is kept no longer.
        """
        found = await self._finder.find(exec_id, caller)
        return ExecProcess(self, exec_id, caller, found if isinstance(found, Run) else None)

    async def running(self, container: Container) -> tuple[Exec, ...]:
        """Return the living commands of a container, the oldest first."""
        return await self._newest(container, records.LIVE)

    @property
    def running_here(self) -> int:
        """How many commands this host follows now."""
        return self._slots.total()

    async def recover(self, container: Container) -> None:
        """Adopt a container's commands that nobody follows, and give those their ending that are gone.

        One command's trouble does not keep the others from being looked at.
        """
        async for found in records.of_container(self._context.store, container.id, records.LIVE):
            if not await self._finder.is_orphan(records.read(found)):
                continue
            try:
                await self._adopter.adopt(container, found)
            except DevbenchError as error:
                log.warning("exec.adoption_failed", exec=found.key, error=error.message)
        if container.instance == self._context.instance:
            # each time: a short-lived host may have died beside us since
            await self._settler.settle(container)

    async def end_all(self, container: Container, ending: ContainerEnding) -> None:
        """Give each living command of an ended container its ending, after the output that did arrive."""
        now = self._context.clock.now
        self._slots.dismiss(container.id, ContainerExited(f"container {container.id!r} ended meanwhile"))
        runs = self._runs.of_container(container.id)
        for run in runs:
            run.finish(endings.of_container(ending, now(), run.journal.durable_offset))
        if runs:
            await asyncio.wait([run.done for run in runs], timeout=CLOSE_WAIT_S)
        async for found in records.of_container(self._context.store, container.id, records.LIVE):
            await self._finder.close_record(found, endings.of_container(ending, now()))

    async def forget(self, container_id: str) -> None:
        """Remove all that is known of a container's commands: then they are not found. Safe to repeat."""
        self._settler.forget(container_id)
        await self._retention.forget(container_id)

    async def tend(self) -> None:
        """Remember no longer what another host purged."""
        await self._retention.tend()

    async def purge(self) -> None:
        """Purge what is beyond its retention, for the whole installation; one round of bounded length."""
        await self._retention.purge()

    async def due(self) -> tuple[Finding, ...]:
        """Say what `purge` would remove in the end, and why. Nothing is changed."""
        return await self._retention.due()

    async def sweep(self) -> None:
        """Do both."""
        await self.purge()
        await self.tend()

    async def aclose(self) -> None:
        """Follow no command any longer. They run on; the next host adopts them and goes on where this one was."""
        self._finder.closed = True
        self._slots.close()
        self._keyed.close()
        await asyncio.gather(*(run.stop(CLOSE_WAIT_S) for run in self._runs.all()))

    def _adopted(self, record: Exec, journal: Journal, stdin_bytes: int | None) -> Run:
        self._slots.adopt(record.container_id)
        return self._follow(record, journal, stdin_bytes, None)

    def _follow(self, record: Exec, journal: Journal, stdin_bytes: int | None, caller: Caller | None) -> Run:
        run = Run(self._context, record, journal, caller=caller, stdin_bytes=stdin_bytes, over=self._over)
        self._runs.add(run)
        return run

    def _over(self, run: Run) -> None:
        """A command is followed no longer: free its slot, keep it for quick answers if it ended."""
        self._runs.over(run)
        if not run.leaves_slot:
            self._slots.free(run.record.container_id)
        if run.record.ending is not None:
            self._retention.ended(run.record.container_id)

    async def _wait(self, exec_id: str, wait_s: float, caller: Caller) -> Exec:
        deadline = self._context.clock.monotonic_s() + wait_s
        while True:
            found = await self._finder.find(exec_id, caller)
            rest_s = deadline - self._context.clock.monotonic_s()
            if isinstance(found, Run):
                await found.wait(rest_s)
                record = found.record
            else:
                record = records.read(found)
                if record.ending is None:
                    await foreign.pause(rest_s)
            if record.ending is not None or self._context.clock.monotonic_s() >= deadline:
                return record

    async def _newest(self, container: Container, *terms: str) -> tuple[Exec, ...]:
        return await listing.newest(self._context.store, self._runs, container.id, *terms)
