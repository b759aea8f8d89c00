"""The use case of commands: validate, review, record, run, and answer for it ever after."""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from datetime import datetime

import attrs

from devbench_core.channel.codes import Scope, StartFlag
from devbench_core.channel.link import Fate
from devbench_core.contracts.store import Record, Remove
from devbench_core.errors import (
    AgentUnavailable,
    Conflict,
    ContainerExited,
    DevbenchError,
    TimedOut,
    ValidationFailed,
)
from devbench_core.execs import endings, foreign, records
from devbench_core.execs.adopt import Adopter
from devbench_core.execs.context import ExecContext
from devbench_core.execs.keys import agent_key, exec_of, starter_of
from devbench_core.execs.launching import launch, new_record, stdin_length, stdin_of
from devbench_core.execs.process import ExecProcess
from devbench_core.execs.run import Run
from devbench_core.execs.slots import Slots
from devbench_core.execs.validate import milliseconds, signal_number, start_of
from devbench_core.ids import EXEC, new_id
from devbench_core.journal.journal import Journal
from devbench_core.journal.log import log_name
from devbench_core.logs import get_logger
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import Container, ContainerEnding
from devbench_core.model.event import Request
from devbench_core.model.execution import Exec, ExecEnding, ExecRequest, Page, SignalScope

log = get_logger(__name__)
LIST_MAX = 1000
CLOSE_WAIT_S = 5.0


class Execs:
    """Run commands and follow them. ``container`` is an id or a living container's alias.

    Every accepted command has exactly one ending, which any host of the installation can be asked for. Output
    is kept in the store, numbered from 1; what was shown once is never shown differently.
    """

    def __init__(self, context: ExecContext) -> None:
        self._context = context
        self._slots = Slots(context.limits)
        self._runs: dict[str, Run] = {}
        self._settled: set[str] = set()
        self._recent: OrderedDict[str, Run] = OrderedDict()
        self._recent_bytes = 0
        self._adopter = Adopter(context, self._adopted)
        self._closed = False

    async def start(
        self,
        container: str,
        request: ExecRequest,
        *,
        open_stdin: bool = False,
        side: bool = False,
        caller: Caller = LOCAL,
    ) -> Exec:
        """Start a command and return when its program was executed, or could not be.

        A command that could not be executed has its ending already (``failed_to_start``). A caller that is
        cancelled while it waits here ends the command.

        Args:
            container: Where.
            request: What.
            open_stdin: Keep its input open after ``request.stdin``, for `Process.write`.
            side: Give it a side stream and an open input that the next host goes on with: for `Shells`.
            caller: Who asks.

        Raises:
            ValidationFailed: A field is wrong; nothing was done.
            ContainerNotFound: The caller's tenant has no such container.
            ContainerExited: It has ended.
            Vetoed: A reviewer refuses.
            ConcurrencyLimit: As many commands as are allowed run, and none ended within ``request.queue_s``.
            AgentUnavailable: The agent cannot be reached; nothing was started.
            StoreFailed: It could not be recorded, so it was ended again, if it had begun, without a trace.
            TimedOut: The agent did not say in time whether it started; it is being ended, and
                ``details["exec_id"]`` names it.
        """
        context = self._context
        exec_id = new_id(EXEC)
        start = start_of(request, agent_key(exec_id, context.instance), context.limits)
        if side:
            start = attrs.evolve(start, flags=start.flags | StartFlag.SIDE, timeout_ms=0)
        open_stdin = open_stdin or side
        found = await self._context.resolve(container, caller)
        self._context.check(
            Request(operation="exec.start", caller=caller, container_id=found.id, subject=request)
        )
        await self._slots.take(found.id, request.queue_s)
        try:
            if request.queue_s:  # it may have ended while this one waited
                found = await self._context.resolve(found.id, caller)
            link = await self._context.link(found)
            await link.channel()
            self._settle_once(found)
        except BaseException:
            self._slots.free(found.id)
            raise
        record = new_record(exec_id, found, request, caller, context)
        run = self._follow(
            record,
            context.journal(exec_id),
            stdin_length(request, open_ended=open_stdin, continued=side),
            caller,
        )
        await launch(run, link, start, stdin_of(request, open_ended=open_stdin))
        return run.record

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
        """
        limits = self._context.limits
        if after < 0 or wait_s < 0 or (max_bytes is not None and max_bytes < 1):
            raise ValidationFailed("after, max_bytes, wait_s", "must not be negative; max_bytes at least 1")
        size = limits.poll_max_bytes if max_bytes is None else min(max_bytes, limits.poll_max_bytes)
        deadline = self._context.clock.monotonic_s() + min(wait_s, limits.poll_max_wait_s)
        while True:
            run = await self._find(exec_id, caller)
            rest_s = deadline - self._context.clock.monotonic_s()
            if isinstance(run, Run):
                page = await own_page(run, after, size, rest_s)
            else:
                page = await foreign.page(self._context.store, run, after, size)
                if not foreign.says_something(page):
                    await foreign.pause(rest_s)
            if foreign.says_something(page) or self._context.clock.monotonic_s() >= deadline:
                return page

    async def wait(self, exec_id: str, *, wait_s: float, caller: Caller = LOCAL) -> Exec:
        """Return the record when the command ended, or as it is after the wait (``ending`` is None then).

        Args:
            exec_id: Which command.
            wait_s: At most ``execs.poll_max_wait_s``.
            caller: Who asks.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
        """
        if wait_s < 0:
            raise ValidationFailed("wait_s", "must not be negative")
        return await self._wait(exec_id, min(wait_s, self._context.limits.poll_max_wait_s), caller)

    async def cancel(self, exec_id: str, *, caller: Caller = LOCAL) -> Exec:
        """End the whole process tree (TERM, a grace, KILL) and return when nothing of it is left. Idempotent.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
            Vetoed: A reviewer refuses.
            TimedOut: It did not end within the grace and ``execs.cancel_timeout_s``; the agent goes on killing.
            AgentUnavailable: The agent cannot be reached.
        """
        found = await self._find(exec_id, caller)
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
            await foreign.cancel(await self._context.link(container), exec_id, milliseconds(grace_s))
        seconds = grace_s + self._context.limits.cancel_timeout_s
        record = await self._wait(exec_id, seconds, caller)
        if record.ending is None:
            raise TimedOut(
                f"command {exec_id!r} did not end within {seconds:g} s",
                hint="the agent goes on killing it; kill the container if it must be gone",
                details={"limit": seconds, "setting": "execs.cancel_timeout_s"},
            )
        return record

    async def followed(self, exec_id: str, *, caller: Caller = LOCAL) -> Run | None:
        """Return a command that this host follows or followed, None when another living host does.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
        """
        found = await self._find(exec_id, caller)
        return found if isinstance(found, Run) else None

    def end_soon(self, exec_id: str) -> None:
        """Begin to end a command that this host follows, without waiting: its caller went away."""
        run = self._runs.get(exec_id)
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
            Vetoed: A reviewer refuses.
            AgentUnavailable: The agent cannot be reached.
        """
        number = signal_number(signal)
        found = await self._find(exec_id, caller)
        record = found.record if isinstance(found, Run) else records.read(found)
        if record.ending is not None:
            return False
        self._context.check(
            Request(operation="exec.signal", caller=caller, container_id=record.container_id, subject=exec_id)
        )
        where = Scope[scope.name]
        container = await self._context.find(record.container_id, caller)
        return await foreign.signal(await self._context.link(container), exec_id, number, where)

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
        return await self.running(found) if running else await self._listed(found)

    async def get(self, exec_id: str, *, caller: Caller = LOCAL) -> Exec:
        """Return the record of a command, running or ended.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
        """
        found = await self._find(exec_id, caller)
        return found.record if isinstance(found, Run) else records.read(found)

    async def process(self, exec_id: str, *, caller: Caller = LOCAL) -> ExecProcess:
        """Return a command as a `Process`: its output as an iteration, its input, signals, its ending.

        Raises:
            ExecNotFound: The caller's tenant has no such command.
        """
        found = await self._find(exec_id, caller)
        return ExecProcess(self, exec_id, caller, found if isinstance(found, Run) else None)

    async def running(self, container: Container) -> tuple[Exec, ...]:
        """Return the living commands of a container, the oldest first."""
        return await self._listed(container, records.LIVE)

    def is_busy(self, container_id: str) -> bool:
        """Tell whether this host follows a command in a container."""
        return self._slots.taken(container_id) > 0

    @property
    def running_here(self) -> int:
        """How many commands this host follows now."""
        return self._slots.total()

    async def recover(self, container: Container) -> None:
        """Adopt a container's commands that nobody follows, and give those their ending that are gone.

        One command's trouble does not keep the others from being looked at.
        """
        async for found in records.of_container(self._context.store, container.id, records.LIVE):
            if not await self._is_orphan(records.read(found)):
                continue
            try:
                await self._adopter.adopt(container, found)
            except DevbenchError as error:
                log.warning("exec.adoption_failed", exec=found.key, error=error.message)
        if container.instance == self._context.instance:
            await self._settle(container)  # each time: a short-lived host may have died beside us since

    async def end_all(self, container: Container, ending: ContainerEnding) -> None:
        """Give each living command of an ended container its ending, after the output that did arrive."""
        now = self._context.clock.now
        self._slots.dismiss(container.id, ContainerExited(f"container {container.id!r} ended meanwhile"))
        runs = [run for run in self._runs.values() if run.record.container_id == container.id]
        for run in runs:
            run.finish(endings.of_container(ending, now(), run.journal.durable_offset))
        if runs:
            await asyncio.wait([run.done for run in runs], timeout=CLOSE_WAIT_S)
        async for found in records.of_container(self._context.store, container.id, records.LIVE):
            await self._close_record(found, endings.of_container(ending, now()))

    async def forget(self, container_id: str) -> None:
        """Remove the records and journals of a container's commands. Safe to repeat."""
        self._settled.discard(container_id)
        async for found in records.of_container(self._context.store, container_id):
            self._drop_recent(found.key)
            await self._context.store.drop(log_name(found.key))
            await self._context.store.apply(Remove(kind=records.KIND, key=found.key))

    async def aclose(self) -> None:
        """Follow no command any longer. They run on; the next host adopts them and goes on where this one was."""
        self._closed = True
        self._slots.close()
        runs = list(self._runs.values())
        await asyncio.gather(*(run.stop(CLOSE_WAIT_S) for run in runs))

    def _adopted(self, record: Exec, journal: Journal, stdin_bytes: int | None) -> Run:
        self._slots.adopt(record.container_id)
        return self._follow(record, journal, stdin_bytes, None)

    def _follow(self, record: Exec, journal: Journal, stdin_bytes: int | None, caller: Caller | None) -> Run:
        run = Run(self._context, record, journal, caller=caller, stdin_bytes=stdin_bytes, over=self._over)
        self._runs[record.id] = run
        return run

    def _over(self, run: Run) -> None:
        """A command is followed no longer: free its slot, keep it for quick answers if it ended."""
        self._runs.pop(run.record.id, None)
        self._slots.free(run.record.container_id)
        if run.record.ending is None:
            return
        self._recent[run.record.id] = run
        self._recent_bytes += run.journal.memory_bytes
        limits = self._context.limits
        while self._recent and (
            len(self._recent) > limits.ended_memory or self._recent_bytes > limits.ended_memory_bytes
        ):
            self._drop_recent(next(iter(self._recent)))

    def _drop_recent(self, exec_id: str) -> None:
        run = self._recent.pop(exec_id, None)
        if run is not None:
            self._recent_bytes -= run.journal.memory_bytes

    async def _find(self, exec_id: str, caller: Caller) -> Run | Record:
        """Return what this host knows, else the record; a command that nobody follows is adopted."""
        run = self._runs.get(exec_id) or self._recent.get(exec_id)
        if run is not None:
            if run.record.tenant != caller.tenant:
                raise records.not_found(exec_id)
            return run
        found = await records.load(self._context.store, exec_id, caller)
        record = records.read(found)
        if self._closed or not await self._is_orphan(record):
            return found
        return await self._rescue(record, found, caller)

    async def _is_orphan(self, record: Exec) -> bool:
        if record.id in self._runs:
            return False
        return await self._adopter.is_orphan(record)

    def _settle_once(self, container: Container) -> None:
        """Settle in the background a container that this host uses for the first time, whoever it belongs to."""
        if container.id not in self._settled:
            self._settled.add(container.id)
            self._context.tasks.create_task(self._settle(container), name=f"settle {container.id}")

    async def _settle(self, container: Container) -> None:
        """Do away with what killed hosts left at a container's agent."""
        try:
            await (await self._context.link(container)).settle(self._fate)
        except (AgentUnavailable, ContainerExited) as error:
            log.debug("exec.settling_postponed", container=container.id, error=error.message)
        except DevbenchError as error:
            log.warning("exec.settling_failed", container=container.id, error=error.message)

    async def _fate(self, key: str) -> Fate:
        """Judge a command at the agent: its record is written beside its START, so it may have none.

        The starter is asked for first: once it is dead, no record can come any more.
        """
        starter = starter_of(key)
        may_be_recorded = not starter or await self._context.alive(starter)
        found = await self._context.store.get(records.KIND, exec_of(key))
        if found is not None:
            return Fate.ACKNOWLEDGE if records.read(found).ending is not None else Fate.KEEP
        return Fate.KEEP if may_be_recorded else Fate.END

    async def _rescue(self, record: Exec, found: Record, caller: Caller) -> Run | Record:
        run = self._runs.get(record.id)
        if run is not None:
            return run
        container = await self._context.find(record.container_id, caller)
        try:
            if container.ending is None:
                return await self._adopter.adopt(container, found) or found
            await self._close_record(found, endings.of_container(container.ending, self._context.clock.now()))
        except AgentUnavailable as error:
            log.warning("exec.adoption_failed", exec=record.id, error=error.message)
        return await records.load(self._context.store, record.id, caller)

    async def _close_record(self, found: Record, ending: ExecEnding) -> None:
        record = records.read(found)
        try:
            if record.ending is None and record.id not in self._runs:
                await records.save(
                    self._context.store, records.ended(record, ending), records.stdin_bytes(found)
                )
        except Conflict:
            return  # somebody else gave it its ending

    async def _wait(self, exec_id: str, wait_s: float, caller: Caller) -> Exec:
        deadline = self._context.clock.monotonic_s() + wait_s
        while True:
            found = await self._find(exec_id, caller)
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

    async def _listed(self, container: Container, *terms: str) -> tuple[Exec, ...]:
        newest: list[tuple[datetime, str, Exec]] = []
        async for record in records.of_container(self._context.store, container.id, *terms):
            run = self._runs.get(record.key)
            found = run.record if run is not None else records.read(record)
            heapq.heappush(newest, (found.created_at, found.id, found))
            if len(newest) > LIST_MAX:
                heapq.heappop(newest)
        return tuple(found for _, _, found in sorted(newest, key=lambda each: each[:2]))


async def own_page(run: Run, after: int, max_bytes: int, wait_s: float) -> Page:
    """Return a page of a command that this host follows or followed."""
    await run.journal.wait(after, wait_s)
    chunks = await run.journal.read(after, max_bytes)
    cursor = chunks[-1].seq if chunks else after
    ending = run.record.ending if run.done.done() and cursor >= run.journal.last_seq else None
    return Page(chunks=chunks, cursor=cursor, ending=ending)
