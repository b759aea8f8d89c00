"""What tools show of shells and their runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from devbench_core.model.shell import Shell, ShellMatch, ShellRun
from devbench_core.tools.views import View

ShellArgument = Annotated[
    str, Field(min_length=1, max_length=128, description="Id (x_…) of the shell, from `shell_open`.")
]


class ShellRunView(View):
    """One script in a shell."""

    number: int = Field(description="From 1, in the order of the shell's runs.")
    after: int = Field(description="The cursor before its first output.")
    interactive: bool = Field(description="Whether its programs read what `shell_input` sends.")
    started_at: datetime = Field(description="When it was given to the shell, UTC.")
    timeout_s: float = Field(description="Its time limit.")
    ended_at: datetime | None = Field(default=None, description="When it ended, UTC; absent while it runs.")
    reason: Literal["exited", "timed_out", "cancelled", "lost", "shell_ended"] | None = Field(
        default=None,
        description="How it ended: exited (see exit_code), or what ended it; lost: the host died before it began; "
        "shell_ended: the script ended the shell.",
    )
    exit_code: int | None = Field(
        default=None,
        description="As the shell tells it; 130 for an interrupted one. Absent when nobody knows it.",
    )
    shell_kept: bool | None = Field(
        default=None, description="Whether the shell is there for the next run. False: open another."
    )

    @classmethod
    def of(cls, run: ShellRun) -> ShellRunView:
        """Return the view of a run."""
        return cls(
            number=run.number,
            after=run.after,
            interactive=run.interactive,
            started_at=run.started_at,
            timeout_s=run.timeout_s,
            ended_at=run.ended_at,
            reason=None if run.reason is None else run.reason.value,
            exit_code=run.exit_code,
            shell_kept=run.shell_kept,
        )


class ShellView(View):
    """A shell."""

    id: str = Field(
        description="Give it as `shell_id`. It is the id of a command too, for example for exec_signal."
    )
    container_id: str = Field(description="Where it runs.")
    program: str = Field(description="bash or sh.")
    state: Literal["idle", "running", "ended"] = Field(description="Whether it can be given something to do.")
    cwd: str = Field(description="Where it was after its last run.")
    created_at: datetime = Field(description="When it was opened, UTC.")
    used_at: datetime = Field(description="When something was last asked of it, UTC.")
    run: ShellRunView | None = Field(default=None, description="Its newest run; absent when it had none.")

    @classmethod
    def of(cls, shell: Shell) -> ShellView:
        """Return the view of a shell."""
        last = shell.runs[-1] if shell.runs and shell.runs[-1].number else None
        return cls(
            id=shell.id,
            container_id=shell.container_id,
            program=shell.program,
            state=shell.state.value,
            cwd=shell.cwd,
            created_at=shell.created_at,
            used_at=shell.used_at,
            run=None if last is None else ShellRunView.of(last),
        )


class ShellMatchView(View):
    """What was looked for and came."""

    text: str = Field(description="What matched; a long one is cut.")
    groups: list[str | None] = Field(
        default_factory=list[str | None], description="The groups of the expression; null took no part."
    )

    @classmethod
    def of(cls, match: ShellMatch) -> ShellMatchView:
        """Return the view of a match."""
        return cls(text=match.text, groups=list(match.groups))
