"""The tools for persistent shells: their inputs and outputs, and the handlers."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from devbench_core.errors import DevbenchError, ValidationFailed
from devbench_core.model.shell import Shell, ShellKind, ShellMatch, ShellPage, ShellRun
from devbench_core.shells.patterns import PATTERNS_MAX
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import (
    OUTPUT_DEFAULT_BYTES,
    TEXT_MAX_BYTES,
    WAIT_MAX_S,
    ContainerArgument,
    Input,
)
from devbench_core.tools.bytes_text import one_content
from devbench_core.tools.pieces import OutputPiece, pieces_of
from devbench_core.tools.progress import OutputReporter
from devbench_core.tools.run import CHUNKS_MAX, WAIT_DEFAULT_S, HeadAndTail
from devbench_core.tools.views import ExecEndingView, View

QUIET_DEFAULT_S = 1.0
QUIET_MAX_S = 30.0

SCRIPT_MAX = 60_000
"""Characters of a script; ``shells.script_max_bytes`` may be less."""

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


class ShellOpenInput(Input):
    """Arguments of `shell_open`."""

    container: ContainerArgument
    program: Literal["auto", "bash", "sh"] = Field(
        default="auto", description="auto takes bash where the container has it, else sh."
    )
    cwd: str | None = Field(
        default=None,
        min_length=1,
        max_length=4095,
        description="Where it begins, relative to the workspace or absolute; absent: the image's or workspace.",
    )
    env: dict[str, str] = Field(
        default_factory=dict[str, str], description="Variables added to the container's for this shell."
    )
    user: str | None = Field(
        default=None,
        min_length=1,
        max_length=21,
        description="Who it runs as, uid or uid:gid: the container's user (default) or one of its `policy.exec_users`.",
    )


class ShellOpenOutput(ToolOutput):
    """Result of `shell_open`."""

    shell: ShellView = Field(description="The shell; it stays whatever happens to your connection.")


class ShellRunInput(Input):
    """Arguments of `shell_run`."""

    shell_id: ShellArgument
    script: str = Field(
        min_length=1,
        max_length=SCRIPT_MAX,
        description=(
            "What to run, one line or many. It runs in the shell itself, so `cd`, variables and functions stay, and "
            "`exit` or a failure under `set -e` ends the shell: put such scripts in ( … )."
        ),
    )
    timeout_s: float | None = Field(
        default=None,
        gt=0,
        description="Interrupt it after so many seconds, and kill it if need be; absent: the default.",
    )
    interactive: bool = Field(
        default=False,
        description="Let its programs read what `shell_input` sends; otherwise their input is empty.",
    )
    wait_s: float = Field(
        default=WAIT_DEFAULT_S,
        ge=0,
        le=WAIT_MAX_S,
        description="Answer after so many seconds at the latest; a script that still runs then goes on.",
    )
    max_output_bytes: int = Field(
        default=OUTPUT_DEFAULT_BYTES,
        ge=1024,
        le=TEXT_MAX_BYTES,
        description="How much output to return: of more, the beginning and the end.",
    )
    end_with_call: bool = Field(
        default=True, description="Interrupt the run when this call is cancelled; false lets it go on."
    )


class ShellRunOutput(ToolOutput):
    """Result of `shell_run`."""

    run: ShellRunView = Field(description="The run: look at `reason`, `exit_code` and `shell_kept`.")
    ended: bool = Field(
        description="Whether it has ended. If not, go on with `shell_read`, giving `cursor` as `after`."
    )
    cwd: str = Field(description="Where the shell was after its last run that has ended.")
    output: list[OutputPiece] = Field(
        description="Its output in order, or the beginning and the end of it when `left_out_bytes` is not 0."
    )
    left_out_bytes: int = Field(
        default=0, description="How much was left out between the beginning and the end."
    )
    left_out_before_piece: int | None = Field(
        default=None, description="Index of the first piece of `output` that comes after what was left out."
    )
    left_out_after: int | None = Field(
        default=None, description="Give it to `shell_read` as `after` to read what was left out."
    )
    cursor: int = Field(description="End of what was looked at; output that comes later is after it.")


class ShellInputInput(Input):
    """Arguments of `shell_input`."""

    shell_id: ShellArgument
    text: str | None = Field(
        default=None, description="Text for the program that reads; most want a line: end it with a newline."
    )
    base64: str | None = Field(default=None, description="The same for arbitrary bytes, as base64.")


class ShellInputOutput(ToolOutput):
    """Result of `shell_input`."""

    cursor: int = Field(description="The output's end before this input: give it to `shell_read` as `after`.")


class ShellReadInput(Input):
    """Arguments of `shell_read`."""

    shell_id: ShellArgument
    after: int = Field(
        default=0, ge=0, description="The `cursor` of the last call; 0 is the shell's beginning."
    )
    run: int | None = Field(
        default=None,
        ge=1,
        description="Only the output of this run, by its number; it ends where the run does. Absent: all that comes.",
    )
    until: list[str] = Field(
        default_factory=list[str],
        max_length=PATTERNS_MAX,
        description="Stop when the output holds one of these plain texts, for example a prompt.",
    )
    until_regex: list[str] = Field(
        default_factory=list[str],
        max_length=PATTERNS_MAX,
        description=(
            "Stop when one of these regular expressions matches (RE2's syntax: no look-around, no back references). "
            "`$` is the end of what has come so far, so `[$#] $` waits for a prompt; begin with (?m) for lines, with "
            "(?s) for a dot that matches line ends."
        ),
    )
    quiet_s: float = Field(
        default=QUIET_DEFAULT_S,
        ge=0,
        le=QUIET_MAX_S,
        description=(
            "Without `until` and `until_regex`: stop when something came and then nothing for so many seconds; 0 is as "
            "soon as something came."
        ),
    )
    wait_s: float = Field(
        default=10.0,
        ge=0,
        le=WAIT_MAX_S,
        description="Stop after so many seconds in any case; 0 answers at once.",
    )
    max_bytes: int = Field(
        default=OUTPUT_DEFAULT_BYTES,
        ge=1,
        le=TEXT_MAX_BYTES,
        description="About how much output to return at most, in bytes (one chunk comes in any case).",
    )


class ShellReadOutput(ToolOutput):
    """Result of `shell_read`."""

    output: list[OutputPiece] = Field(description="Output after the cursor that was given, in order.")
    cursor: int = Field(description="Give it as `after` to the next call.")
    stopped_by: Literal["text", "pattern", "quiet", "run_ended", "shell_ended", "full", "time"] = Field(
        description=(
            "Why it stopped: one of `until` came, or of `until_regex`; it was quiet; the run, or the shell, had "
            "ended and all was read; max_bytes; wait_s."
        )
    )
    found: str | None = Field(default=None, description="Which of `until` or `until_regex` came.")
    match: ShellMatchView | None = Field(default=None, description="What of the output that was.")
    run: ShellRunView | None = Field(default=None, description="The shell's newest run.")
    ending: ExecEndingView | None = Field(default=None, description="How the shell itself ended, if it has.")


class ShellCancelInput(Input):
    """Arguments of `shell_cancel`."""

    shell_id: ShellArgument


class ShellCancelOutput(ToolOutput):
    """Result of `shell_cancel`."""

    run: ShellRunView | None = Field(
        default=None, description="The run that was ended; absent: there was none."
    )
    shell: ShellView = Field(description="The shell; `state` says whether it was kept.")


class ShellCloseInput(Input):
    """Arguments of `shell_close`."""

    shell_id: ShellArgument


class ShellCloseOutput(ToolOutput):
    """Result of `shell_close`."""

    shell: ShellView = Field(description="The ended shell; its output can still be read.")


class ShellListInput(Input):
    """Arguments of `shell_list`."""

    container: ContainerArgument
    ended: bool = Field(default=False, description="Also those that have ended.")


class ShellListOutput(ToolOutput):
    """Result of `shell_list`."""

    shells: list[ShellView] = Field(description="The shells, the oldest first.")


async def shell_open(context: ToolContext, given: ShellOpenInput) -> ShellOpenOutput:
    """Open a shell."""
    shell = await context.bench.shells.open(
        given.container,
        kind=ShellKind(given.program),
        cwd=None if given.cwd is None else PurePosixPath(given.cwd),
        env=given.env,
        user=given.user,
        caller=context.caller,
    )
    return ShellOpenOutput(shell=ShellView.of(shell))


async def shell_run(context: ToolContext, given: ShellRunInput) -> ShellRunOutput:
    """Run a script and wait for its end, within bounds."""
    shells = context.bench.shells
    begun = time.monotonic()
    run = await shells.run(
        given.shell_id,
        given.script,
        timeout_s=given.timeout_s,
        interactive=given.interactive,
        caller=context.caller,
    )
    kept, cursor = HeadAndTail(given.max_output_bytes), run.after
    reporter = OutputReporter(context.progress, begun, given.wait_s)
    until = begun + given.wait_s
    if context.leave_after_s is not None:
        until = min(until, time.monotonic() + context.leave_after_s)
    try:
        while True:
            rest_s = max(0.0, until - time.monotonic())
            page = await shells.poll(
                given.shell_id, after=cursor, run=run.number, wait_s=rest_s, caller=context.caller
            )
            kept.add(page.chunks)
            cursor = page.cursor
            if page.complete or not rest_s:
                break
            await reporter.tell(page.chunks)
        shell = await shells.get(given.shell_id, caller=context.caller)
    except asyncio.CancelledError:
        if given.end_with_call:
            shells.interrupt_soon(given.shell_id)
        raise
    except DevbenchError as error:
        error.details.setdefault("run", run.number)  # it was begun, and goes on
        raise
    return _ran(shell, page.run or run, kept, cursor, ended=page.complete)


async def result_of_run(
    context: ToolContext, shell: Shell, run: ShellRun, *, max_output_bytes: int
) -> ShellRunOutput:
    """Return what `shell_run` would answer now of a run that has ended, from the output in the store.

    Raises:
        ExecNotFound: The caller's tenant has no such shell.
        StoreFailed: The store could not be read.
    """
    ends = await context.bench.execs.ends(
        shell.id,
        after=run.after,
        until=run.until,
        limit_bytes=max_output_bytes,
        limit_chunks=CHUNKS_MAX,
        caller=context.caller,
    )
    kept = HeadAndTail.of(ends, max_output_bytes)
    return _ran(shell, run, kept, run.until, ended=True)


def _ran(shell: Shell, run: ShellRun, kept: HeadAndTail, cursor: int, *, ended: bool) -> ShellRunOutput:
    pieces, seam = kept.pieces()
    return ShellRunOutput(
        run=ShellRunView.of(run),
        ended=ended,
        cwd=shell.cwd,
        output=pieces,
        left_out_bytes=kept.left_out_bytes,
        left_out_before_piece=seam,
        left_out_after=kept.left_out_after or run.after if kept.left_out_bytes else None,
        cursor=cursor,
    )


async def shell_input(context: ToolContext, given: ShellInputInput) -> ShellInputOutput:
    """Send input."""
    data = one_content("text", given.text, "base64", given.base64)
    if not data:
        raise ValidationFailed("text", "is empty", hint="give text or base64")
    cursor = await context.bench.shells.input(given.shell_id, data, caller=context.caller)
    return ShellInputOutput(cursor=cursor)


async def shell_read(context: ToolContext, given: ShellReadInput) -> ShellReadOutput:
    """Read until something."""
    begun = time.monotonic()

    async def tell(_: ShellPage) -> None:
        await context.progress(time.monotonic() - begun, given.wait_s, f"{given.shell_id} is being read")

    got = await context.bench.shells.read(
        given.shell_id,
        after=given.after,
        run=given.run,
        until=given.until,
        until_regex=given.until_regex,
        quiet_s=given.quiet_s,
        wait_s=given.wait_s,
        max_bytes=given.max_bytes,
        on_page=tell,
        caller=context.caller,
    )
    return ShellReadOutput(
        output=pieces_of(got.chunks),
        cursor=got.cursor,
        stopped_by=got.stop.value,
        found=None if got.match is None else got.match.pattern,
        match=None if got.match is None else ShellMatchView.of(got.match),
        run=None if got.run is None or not got.run.number else ShellRunView.of(got.run),
        ending=None if got.ending is None else ExecEndingView.of(got.ending),
    )


async def shell_cancel(context: ToolContext, given: ShellCancelInput) -> ShellCancelOutput:
    """End the present run."""
    run = await context.bench.shells.cancel(given.shell_id, caller=context.caller)
    shell = await context.bench.shells.get(given.shell_id, caller=context.caller)
    return ShellCancelOutput(run=None if run is None else ShellRunView.of(run), shell=ShellView.of(shell))


async def shell_close(context: ToolContext, given: ShellCloseInput) -> ShellCloseOutput:
    """Close a shell."""
    return ShellCloseOutput(
        shell=ShellView.of(await context.bench.shells.close(given.shell_id, caller=context.caller))
    )


async def shell_list(context: ToolContext, given: ShellListInput) -> ShellListOutput:
    """Return a container's shells."""
    found = await context.bench.shells.list(given.container, ended=given.ended, caller=context.caller)
    return ShellListOutput(shells=[ShellView.of(each) for each in found])
