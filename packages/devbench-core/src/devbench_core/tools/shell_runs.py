"""The tool that runs scripts in a shell."""

from __future__ import annotations

import asyncio
import time

from pydantic import Field

from devbench_core.errors import DevbenchError
from devbench_core.model.shell import Shell, ShellRun
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import OUTPUT_DEFAULT_BYTES, TEXT_MAX_BYTES, WAIT_MAX_S, Input
from devbench_core.tools.pieces import OutputPiece
from devbench_core.tools.progress import OutputReporter
from devbench_core.tools.run import CHUNKS_MAX, WAIT_DEFAULT_S, HeadAndTail
from devbench_core.tools.shell_views import ShellArgument, ShellRunView

SCRIPT_MAX = 60_000
"""Characters of a script; ``shells.script_max_bytes`` may be less."""


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
            shells.interrupt_soon(given.shell_id, run=run.number, caller=context.caller)
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
