"""The tools for talking to a program that a shell runs: what it is told, and what it says."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import Field

from devbench_core.errors import ValidationFailed
from devbench_core.model.shell import ShellPage
from devbench_core.shells.settings import PATTERNS_MAX
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import OUTPUT_DEFAULT_BYTES, TEXT_MAX_BYTES, WAIT_MAX_S, Input
from devbench_core.tools.bytes_text import one_content
from devbench_core.tools.exec_views import ExecEndingView
from devbench_core.tools.pieces import OutputPiece, pieces_of
from devbench_core.tools.shell_views import ShellArgument, ShellMatchView, ShellRunView

QUIET_DEFAULT_S = 1.0
QUIET_MAX_S = 30.0


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
