"""A shell that this host follows."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

import attrs

from devbench_core.errors import (
    AgentUnavailable,
    DevbenchError,
    StoreFailed,
    TimedOut,
)
from devbench_core.execs.run import Run
from devbench_core.logs import get_logger
from devbench_core.model.execution import Exec
from devbench_core.model.shell import Shell, ShellRun
from devbench_core.shells.closing import ENDED_ALONE, Closing
from devbench_core.shells.context import ShellContext
from devbench_core.shells.driver import filler_of, frame_of
from devbench_core.shells.endings import ended_run
from devbench_core.shells.follow import Follower
from devbench_core.shells.kept import Kept
from devbench_core.shells.refusals import busy, elsewhere, over

log = get_logger(__name__)
SECRET_BYTES = 16


class Live:
    """One shell and, if there is one, the run that it is busy with.

    Args:
        context: The collaborators.
        shell: As it is in the store.
        command: The command that it is.
        over: Called when this host follows it no longer, be it that it ended or that another host took it over.
    """

    def __init__(
        self, context: ShellContext, shell: Shell, command: Run, over: Callable[[Live], None]
    ) -> None:
        self._kept = Kept(context, shell)
        self.command = command
        self.input_lock = asyncio.Lock()
        self._context = context
        self._over = over
        self._closing = ENDED_ALONE
        self._changed = asyncio.Event()
        self._follower: Follower | None = None
        self._task: asyncio.Task[None] | None = None
        self._beginning: asyncio.Task[ShellRun | DevbenchError] | None = None
        run = shell.run
        if run is not None:  # its former host died meanwhile
            spent_s = (context.clock.now() - run.started_at).total_seconds()
            self._follow(run, max(0.0, run.timeout_s - spent_s), self._fill())
        command.done.add_done_callback(self._command_over)

    @property
    def is_left(self) -> bool:
        """Whether the command goes on without this host: another one took it over."""
        return self.command.is_left

    @property
    def shell(self) -> Shell:
        """Its record."""
        return self._kept.shell

    async def begin(self, script: str, *, timeout_s: float, interactive: bool) -> ShellRun:
        """Give the shell a script. A caller that is cancelled while it waits here ends the run.

        Raises:
            ShellBusy: Another run has not ended.
            ShellEnded: The shell has.
            ShellElsewhere: Another host took it over meanwhile; nothing was sent.
            Conflict: Another host changed its record; nothing was sent.
            StoreFailed: It could not be recorded, so nothing was sent.
        """
        if self._beginning is not None and not self._beginning.done():
            raise busy(self.shell)
        # In a task of its own: a run that is recorded must be sent and followed, whatever becomes of the caller.
        beginning = self._beginning = self._context.tasks.create_task(
            self._begin(script, timeout_s=timeout_s, interactive=interactive),
            name=f"shell {self.shell.id} begins",
        )
        try:
            await asyncio.wait([beginning])
        except asyncio.CancelledError:
            beginning.add_done_callback(self._give_up)
            raise
        if beginning.cancelled():
            raise AgentUnavailable(f"this host closed before shell {self.shell.id!r} had the script")
        begun = beginning.result()
        if isinstance(begun, ShellRun):
            return begun
        raise begun

    async def _begin(self, script: str, *, timeout_s: float, interactive: bool) -> ShellRun | DevbenchError:
        """Record a run, send it and follow it; an error is returned, as it would end all tasks."""
        try:
            if self._kept.is_doubtful:
                await self._kept.take_back()
            run, frame, changes = self._next_run(script, timeout_s=timeout_s, interactive=interactive)
            await self._kept.record(changes)
            if self.is_left:  # meanwhile: it would go nowhere
                await self._kept.take_back()
                return elsewhere(self.shell)
        except DevbenchError as error:
            if self._kept.is_behind:
                self._leave()  # whoever is asked next goes on from what the store has
            return error
        except Exception as error:  # a store's own fault
            log.exception("shell.not_begun", shell=self.shell.id)
            return StoreFailed(repr(error))
        if self.command.stream is not None:
            self.command.stream.send_side(self.shell.sent_before, frame)
        self._kept.sent()
        self._follow(run, timeout_s)
        return run

    def _next_run(
        self, script: str, *, timeout_s: float, interactive: bool
    ) -> tuple[ShellRun, bytes, dict[str, object]]:
        """Return a run, what is to be sent for it, and what changes in the record."""
        if self.is_left:
            raise elsewhere(self.shell)
        if self.shell.run is not None:
            raise busy(self.shell)
        if self.shell.ended or self.command.stream is None or self.command.record.ending is not None:
            raise over(self.shell)
        secret = secrets.token_hex(SECRET_BYTES)
        frame = frame_of(script, secret, interactive=interactive)
        offset, now = self.shell.sent_bytes, self._context.clock.now()
        run = ShellRun(
            number=self.shell.runs[-1].number + 1 if self.shell.runs else 0,
            after=self.command.journal.cut(),
            interactive=interactive,
            started_at=now,
            timeout_s=timeout_s,
        )
        changes: dict[str, object] = {
            "runs": (*self.shell.runs, run)[-self._context.limits.runs_kept :],
            "secret": secret,
            "sent_before": offset,
            "sent_bytes": offset + len(frame),
            "used_at": now,
        }
        return run, frame, changes

    def _give_up(self, beginning: asyncio.Task[ShellRun | DevbenchError]) -> None:
        """End the run that began for nobody; where none did, the shell may be busy with somebody else's."""
        begun = None if beginning.cancelled() else beginning.result()
        if isinstance(begun, ShellRun):
            self.interrupt(begun.number)

    def interrupt(self, number: int | None = None) -> None:
        """Begin to end the run, if there is one, and if it is the one that is meant."""
        if self._follower is not None and number in {None, self.shell.runs[-1].number}:
            self._follower.interrupt()

    def touch(self) -> None:
        """Note that something was asked of it; written with the next run."""
        self._kept.shell = attrs.evolve(self.shell, used_at=self._context.clock.now())

    @property
    def changed(self) -> asyncio.Event:
        """Set when the next run ends, or the shell does; take it before looking at `shell`."""
        return self._changed

    def closing(self, closing: Closing) -> None:
        """Say why it is being ended, unless that was said."""
        if self._closing is ENDED_ALONE:
            self._closing = closing

    def not_closing(self, closing: Closing) -> None:
        """Take that back: it may not be ended."""
        if self._closing is closing:
            self._closing = ENDED_ALONE

    async def end(self) -> None:
        """Write down that it is over, unless that was done.

        Raises:
            TimedOut: The end of its run could not be written down in time.
        """
        await self.settled(self._context.ending_within_s)
        if not self.shell.ended:
            is_news = await self._kept.save(ended=True, secret="")
            self._ring()
            self._forget()
            if is_news:
                self._closing.tell(self._context, self.shell)

    async def settled(self, within_s: float) -> None:
        """Wait for the end of the run; that of the shell is one.

        Raises:
            TimedOut: It did not end in time; this host goes on seeing to its end.
        """
        if self._task is None:
            return
        _, going = await asyncio.wait([self._task], timeout=within_s)
        if going:
            raise TimedOut(
                f"the run in shell {self.shell.id!r} did not end within {within_s:g} s",
                hint="it is still being ended: look again later, or kill the container if it must be gone",
                details={"limit": within_s, "setting": "shells.interrupt_grace_s"},
            )

    def stop(self) -> None:
        """Follow it no longer."""
        for task in (self._beginning, self._task):
            if task is not None:
                task.cancel()

    def _command_over(self, _done: asyncio.Future[Exec | None]) -> None:
        is_begun = self._beginning is not None and not self._beginning.done()
        if self.is_left:
            self._leave()
        elif self.shell.run is None and not is_begun and self._closing is ENDED_ALONE:
            self._forget()  # nothing is known here but what the store has: whoever looks at it notes its end

    def _leave(self) -> None:
        """Leave it to who follows it now; a run that is being recorded sees to itself."""
        if self._task is not None:
            self._task.cancel()
        self._follower = None
        self._forget()
        self._ring()

    def _forget(self) -> None:
        self.command.done.remove_done_callback(self._command_over)
        self._over(self)

    def _fill(self) -> str:
        """Send a run that does nothing to where the present one was to be; taken only if that never came there.

        A host may die between recording a run and sending it. The agent takes each byte of the stream once, so whose
        report comes, with whose secret, says whether it had.
        """
        secret = secrets.token_hex(SECRET_BYTES)
        offset, size = self.shell.sent_before, self.shell.sent_bytes - self.shell.sent_before
        if self.command.stream is not None:
            self.command.stream.send_side(offset, filler_of(size, secret))
        return secret

    def _follow(self, run: ShellRun, left_s: float, filler: str = "") -> None:
        self._follower = Follower(self._context, self.shell, run, self.command, left_s, filler)
        self._task = self._context.tasks.create_task(
            self._finish(self._follower, run), name=f"shell {self.shell.id}"
        )

    async def _finish(self, follower: Follower, run: ShellRun) -> None:
        outcome = await follower.outcome()
        ended = ended_run(run, outcome, self._context)
        report = outcome.report
        changes: dict[str, object] = {
            "runs": (*self.shell.runs[:-1], ended),
            "secret": "",
            "used_at": self._context.clock.now(),
        }
        if report is None:
            changes["ended"] = True
        else:
            changes |= {"program": report.program, "cwd": report.cwd}
        is_over = await self._kept.save_surely(changes)
        self._follower = None
        self._ring()
        if self.shell.ended or self._kept.is_behind:
            self._forget()
        if self._kept.is_behind:
            return  # whose host told it
        if run.number:
            fields: dict[str, object] = {
                "run": run.number,
                "reason": str(ended.reason),
                "exit_code": ended.exit_code,
                "shell_kept": ended.shell_kept,
            }
            self._context.tell("shell.ran", self.shell, None, fields)
        if is_over:
            self._closing.tell(self._context, self.shell)

    def _ring(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
