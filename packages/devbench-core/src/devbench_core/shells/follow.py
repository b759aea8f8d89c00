"""Follows one run of a shell to its end, and sees to it that it has one."""

from __future__ import annotations

import asyncio
import signal
from enum import Enum

from devbench_core.channel.codes import Scope
from devbench_core.errors import DevbenchError, ExecNotFound, ExecPurged
from devbench_core.execs.run import Run
from devbench_core.logs import get_logger
from devbench_core.model.execution import ExecEnding, Page, StreamName
from devbench_core.model.shell import RunReason, Shell, ShellRun
from devbench_core.shells.context import ShellContext, owner
from devbench_core.shells.driver import Report, Reports
from devbench_core.values import frozen

log = get_logger(__name__)
ROUND_S = 60.0  # the longest single wait; a run may take longer
KILL_AGAIN_S = 0.25  # a loop may start one program after the other
TRY_AGAIN_S = 1.0  # after an error of the store or the agent


class Stage(Enum):
    """How hard a run is being ended."""

    NONE = 0
    INTERRUPT = 1  # INT to what it runs, and to the shell's trap
    KILL = 2  # KILL to what it runs, but not to its background jobs
    KILL_JOBS = 3  # and to these
    END = 4  # of the shell itself


@frozen
class Outcome:
    """How a run ended, and where its output does."""

    reason: RunReason
    until: int
    report: Report | None = None
    ending: ExecEnding | None = None


class Follower:
    """One run.

    Args:
        context: The collaborators.
        shell: Whose.
        command: The shell as this host follows it; None for one that has ended.
        left_s: Of its time limit.
        filler: The secret of the run that takes its place if it never began.
    """

    def __init__(
        self,
        context: ShellContext,
        shell: Shell,
        run: ShellRun,
        command: Run | None,
        left_s: float,
        filler: str = "",
    ) -> None:
        self._context = context
        self._shell = shell
        self._command = command
        self._cursor = run.after
        self._reports = Reports(shell.secret, filler)
        self._woken = asyncio.Event()
        self._stage = Stage.NONE
        self._reason = RunReason.EXITED
        self._due_s = context.clock.monotonic_s() + left_s
        self._again_s = 0.0
        self._asked = False  # to end
        self._begun = False

    def interrupt(self) -> None:
        """Begin to end it, unless that began already."""
        if self._stage is Stage.NONE and self._reason is RunReason.EXITED:
            self._reason = RunReason.CANCELLED
            self._woken.set()

    async def outcome(self) -> Outcome:
        """Return when it has ended."""
        while True:
            try:
                found = await self._step()
                if found is not None:
                    return found
            except (ExecPurged, ExecNotFound):
                return self._gone()
            except DevbenchError as error:
                log.warning("shell.following_failed", shell=self._shell.id, error=error.message)
                await asyncio.sleep(TRY_AGAIN_S)
            except Exception:  # a store's own fault; an error here would end all of this host's tasks
                log.exception("shell.following_failed", shell=self._shell.id)
                await asyncio.sleep(TRY_AGAIN_S)

    async def rest(self) -> Outcome:
        """Return how it ended in a shell that has ended.

        Raises:
            StoreFailed: What it left cannot be read.
        """
        try:
            found = None
            while found is None:
                found = await self._step()
        except (ExecPurged, ExecNotFound):
            return self._gone()
        return found

    def _gone(self) -> Outcome:
        """Return the outcome in a shell of which nothing is left to read: it had ended."""
        reason = RunReason.SHELL_ENDED if self._reason is RunReason.EXITED else self._reason
        return Outcome(reason=reason, until=self._cursor)

    async def _step(self) -> Outcome | None:
        page = await self._next_page()
        for chunk in page.chunks:
            self._begun |= chunk.stream is StreamName.SIDE
            report = self._reports.feed(chunk.data) if chunk.stream is StreamName.SIDE else None
            if report is not None:
                reason = RunReason.LOST if report.is_filler else self._reason
                return Outcome(reason=reason, until=chunk.seq, report=report)
        self._cursor = page.cursor
        if page.ending is not None:
            reason = RunReason.SHELL_ENDED if self._reason is RunReason.EXITED else self._reason
            return Outcome(reason=reason, until=page.cursor, ending=page.ending)
        await self._press()
        return None

    async def _next_page(self) -> Page:
        """Return what is new, or nothing when it is time to do something or the run was interrupted."""
        wait_s = max(0.0, min(self._next_s() - self._context.clock.monotonic_s(), ROUND_S))
        if self._woken.is_set():
            wait_s = 0.0
        reading = asyncio.create_task(
            self._context.execs.poll(
                self._shell.id, after=self._cursor, wait_s=wait_s, caller=owner(self._shell)
            )
        )
        waking = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait({reading, waking}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
            return Page(chunks=(), cursor=self._cursor)
        finally:
            reading.cancel()
            waking.cancel()
            await asyncio.gather(reading, waking, return_exceptions=True)

    def _next_s(self) -> float:
        return min(self._due_s, self._again_s) if self._again_s else self._due_s

    async def _press(self) -> None:
        """Do what is due: the next stage, or the present one's signals again."""
        now = self._context.clock.monotonic_s()
        if self._woken.is_set() or (now >= self._due_s and not self._asked):
            self._woken.clear()
            self._asked = True
            self._due_s = now + self._context.limits.interrupt_grace_s
            if self._reason is RunReason.EXITED:
                self._reason = RunReason.TIMED_OUT
        if not self._asked:
            return
        if now >= self._due_s or (self._begun and self._stage is Stage.NONE):
            self._stage = Stage(min(self._stage.value + 1, Stage.END.value))
            self._due_s = now + self._context.limits.interrupt_grace_s
            await self._signal()
        elif self._again_s and now >= self._again_s:
            await self._signal()

    async def _signal(self) -> None:
        stream = None if self._command is None else self._command.stream
        if self._stage is Stage.END:
            self._again_s = 0.0
            await self._context.execs.cancel(self._shell.id, caller=owner(self._shell))
            return
        if stream is None:
            return
        stream.signal(signal.SIGINT, Scope.RUN)
        if self._stage is not Stage.INTERRUPT:
            stream.signal(signal.SIGKILL, Scope.RUN if self._stage is Stage.KILL else Scope.RUN_JOBS)
            self._again_s = self._context.clock.monotonic_s() + KILL_AGAIN_S
