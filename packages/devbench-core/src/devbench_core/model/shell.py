"""Persistent shells: what outlives one run of a script and is there for the next."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import attrs

from devbench_core.model.execution import Chunk, ExecEnding
from devbench_core.values import frozen

__all__ = [
    "ReadStop",
    "RunReason",
    "Shell",
    "ShellKind",
    "ShellMatch",
    "ShellPage",
    "ShellReading",
    "ShellRun",
    "ShellState",
]


class ShellKind(StrEnum):
    """Which program a shell is."""

    AUTO = "auto"  # bash where the container has it, else sh
    BASH = "bash"
    SH = "sh"


class ShellState(StrEnum):
    """Where a shell stands."""

    IDLE = "idle"
    RUNNING = "running"
    ENDED = "ended"


class RunReason(StrEnum):
    """How a run in a shell ended."""

    EXITED = "exited"  # it came to its end; see exit_code
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"  # it was recorded, and its host died or was refused by the store before it was sent: nothing was run
    SHELL_ENDED = "shell_ended"  # the script ended the shell itself: exit, exec, set -e, a signal


@frozen
class ShellRun:
    """One script in a shell.

    Attributes:
        number: From 1, in the order of the shell's runs.
        after: The cursor before its first output, in the shell's own output.
        until: Where its output ends; 0 while it runs.
        interactive: Whether its programs read what `Shells.input` sends; else their input is empty.
        started_at: When it was given to the shell, UTC.
        timeout_s: Its time limit.
        ended_at: None while it runs.
        reason: How it ended, None while it runs.
        exit_code: 0-255 as the shell tells it; of the shell itself when that ended; None when nobody knows it.
        shell_kept: Whether the shell is there for the next run; None while it runs.
    """

    number: int
    after: int
    until: int = 0
    interactive: bool = False
    started_at: datetime
    timeout_s: float
    ended_at: datetime | None = None
    reason: RunReason | None = None
    exit_code: int | None = None
    shell_kept: bool | None = None


@frozen
class Shell:
    """The record of one shell.

    Attributes:
        id: That of the command which the shell is, ``x_…``: what commands can, shells can too.
        container_id: Where it runs.
        tenant: Whose it is.
        created_by: The subject that asked.
        program: ``bash`` or ``sh``, as it says itself.
        cwd: Where it was after its last run.
        created_at: When it was opened, UTC.
        used_at: When something was last asked of it, UTC.
        runs: The newest ones, the oldest of them first.
        ended: Whether it is over.
        sent_bytes: How much its loop was sent.
        sent_before: How much of that before the newest run.
        secret: What only the end of the present run can know.
        revision: The store's revision of this record.
    """

    id: str
    container_id: str
    tenant: str
    created_by: str
    program: str = ""
    cwd: str = ""
    created_at: datetime
    used_at: datetime
    runs: tuple[ShellRun, ...] = ()
    ended: bool = False
    sent_bytes: int = 0
    sent_before: int = 0
    secret: str = attrs.field(default="", repr=False)
    revision: int = 0

    @property
    def run(self) -> ShellRun | None:
        """The run that it is busy with, None when it is idle or ended."""
        return self.runs[-1] if self.runs and self.runs[-1].ended_at is None and not self.ended else None

    @property
    def state(self) -> ShellState:
        """Where it stands."""
        if self.ended:
            return ShellState.ENDED
        return ShellState.IDLE if self.run is None else ShellState.RUNNING


@frozen
class ShellPage:
    """Output of a shell.

    Attributes:
        chunks: In order, beginning just after the cursor that was asked for.
        cursor: Give this to the next call.
        run: The run that was asked for, or the newest; None when there was none.
        complete: Whether that run has ended *and* these chunks reach its end.
        ending: Set when the shell itself has ended and these chunks reach its end.
    """

    chunks: tuple[Chunk, ...]
    cursor: int
    run: ShellRun | None = None
    complete: bool = False
    ending: ExecEnding | None = None


class ReadStop(StrEnum):
    """Why reading a shell's output stopped."""

    TEXT = "text"  # one of the plain texts came
    PATTERN = "pattern"  # one of the regular expressions came
    QUIET = "quiet"  # something came, and then nothing for long enough
    RUN_ENDED = "run_ended"  # and all was read
    SHELL_ENDED = "shell_ended"  # likewise
    FULL = "full"  # as many bytes as were asked for
    TIME = "time"


@frozen
class ShellMatch:
    """What was looked for and came.

    Attributes:
        pattern: Which of the texts or expressions.
        is_regex: Whether it is an expression.
        text: What it matched, as UTF-8 with what is none replaced; a long one is cut.
        groups: Of an expression, likewise; None for one that took no part.
    """

    pattern: str
    is_regex: bool
    text: str
    groups: tuple[str | None, ...] = ()


@frozen
class ShellReading:
    """Output of a shell, and why there is no more of it.

    Attributes:
        chunks: In order, beginning just after the cursor that was asked for.
        cursor: Give this to the next call.
        stop: Why reading stopped.
        match: What came, when it stopped for that.
        run: The newest run; None when there was none.
        ending: Set when the shell itself has ended and these chunks reach its end.
    """

    chunks: tuple[Chunk, ...]
    cursor: int
    stop: ReadStop
    match: ShellMatch | None = None
    run: ShellRun | None = None
    ending: ExecEnding | None = None
