"""What tools show of commands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import attrs
from pydantic import Field

from devbench_core.model.execution import Exec, ExecEnding
from devbench_core.tools.path_text import shown
from devbench_core.tools.views import View


class ExecEndingView(View):
    """How a command ended."""

    reason: str = Field(
        description=(
            "exited (see exit_code), signaled (see signal), timed_out, cancelled, failed_to_start "
            "(see failure), container_exited, or lost (the true ending is not known)."
        )
    )
    exit_code: int | None = Field(default=None, description="0-255 when it exited; 0 is success.")
    signal: int | None = Field(default=None, description="Number of the signal that ended it.")
    failure: str = Field(
        default="", description="For failed_to_start: not_found, not_executable, bad_directory …"
    )
    message: str = Field(default="", description="One sentence about it.")
    at: datetime = Field(description="When it ended, UTC.")
    wall_s: float | None = Field(default=None, description="How long it ran, in seconds.")
    user_s: float | None = Field(
        default=None, description="Processor time of the whole process tree in programs, in seconds."
    )
    system_s: float | None = Field(
        default=None, description="Processor time of the whole process tree in the kernel, in seconds."
    )
    max_rss_bytes: int | None = Field(
        default=None, description="Largest resident memory of one of its processes."
    )
    voluntary_switches: int | None = Field(default=None, description="How often its processes waited.")
    involuntary_switches: int | None = Field(
        default=None, description="How often its processes were interrupted for others."
    )
    read_bytes: int | None = Field(default=None, description="What its processes read from block devices.")
    written_bytes: int | None = Field(
        default=None, description="What its processes made to be written to block devices."
    )
    output_bytes: int = Field(default=0, description="Size of all its output.")

    @classmethod
    def of(cls, ending: ExecEnding) -> ExecEndingView:
        """Return the view of an ending."""
        used = {} if ending.usage is None else attrs.asdict(ending.usage)
        return cls(
            reason=ending.reason,
            exit_code=ending.exit_code,
            signal=ending.signal,
            failure=ending.failure,
            message=ending.message,
            at=ending.at,
            output_bytes=ending.output_bytes,
            **used,
        )


class ExecView(View):
    """A command's run."""

    id: str = Field(description="Opaque id, x_…; give it as `exec_id` to exec_poll, exec_wait, exec_cancel.")
    container_id: str = Field(description="Where it runs.")
    argv: list[str] = Field(description="Program and arguments; long ones are cut in lists, and end in …")
    cwd: str = Field(default="", description="Working directory, as asked for.")
    tty: bool = Field(default=False, description="Whether it has a terminal.")
    user: str = Field(
        default="", description="uid:gid when it runs as another user than its container's; else empty."
    )
    state: Literal["starting", "running", "ended"] = Field(description="Where it stands.")
    created_at: datetime = Field(description="When it was accepted, UTC.")
    started_at: datetime | None = Field(default=None, description="When its process was there, UTC.")
    ending: ExecEndingView | None = Field(default=None, description="How it ended; absent while it runs.")

    @classmethod
    def of(cls, record: Exec, *, argv_max: int | None = None) -> ExecView:
        """Return the view of a record, with no more of its arguments than so many characters."""
        return cls(
            id=record.id,
            container_id=record.container_id,
            argv=list(record.argv) if argv_max is None else _cut(record.argv, argv_max),
            cwd=shown(record.cwd),
            tty=record.tty,
            user=record.user,
            state=record.state.value,
            created_at=record.created_at,
            started_at=record.started_at,
            ending=None if record.ending is None else ExecEndingView.of(record.ending),
        )


def _cut(words: Sequence[str], most: int) -> list[str]:
    kept: list[str] = []
    for word in words:
        if len(word) + 1 > most:
            return [*kept, word[: max(most - 1, 0)] + "…"]
        kept.append(word)
        most -= len(word) + 1
    return kept
