"""The tools for commands: their inputs and outputs, and the handlers."""

from __future__ import annotations

import time
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from devbench_core.errors import ValidationFailed
from devbench_core.execs.numbers import CORE_MAX_BYTES, NICE_MAX, NOFILE_MAX, TERMINAL_SIDE_MAX
from devbench_core.model.execution import (
    Chunk,
    ExecEnding,
    ExecRequest,
    ExecState,
    Leftovers,
    Mark,
    Page,
    ResourceLimits,
    SignalScope,
    TerminalSize,
)
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import (
    OUTPUT_DEFAULT_BYTES,
    TEXT_MAX_BYTES,
    WAIT_MAX_S,
    ContainerArgument,
    ExecArgument,
    Input,
    PathText,
)
from devbench_core.tools.bytes_text import one_content
from devbench_core.tools.exec_views import ExecEndingView, ExecView
from devbench_core.tools.pieces import OutputPiece, pieces_of
from devbench_core.tools.progress import (
    OUTPUT_EVERY_S,
    QUIET_EVERY_S,
    OutputReporter,
    last_line_of,
)

LIST_DEFAULT, LIST_MAX = 50, 200
ARGV_MAX = 500
"""Characters of a command's arguments in a list."""
CHUNKS_MAX = 500
"""The most pieces in a page: each costs some bytes beside its text."""


class LimitsInput(Input):
    """Limits of one command's processes."""

    nofile: int | None = Field(
        default=None, ge=1, le=NOFILE_MAX, description="Open files of each process, at most the container's."
    )
    core_bytes: int | None = Field(
        default=None, ge=0, le=CORE_MAX_BYTES, description="Size of a core dump in bytes; 0 for none."
    )
    nice: int = Field(
        default=0, ge=0, le=NICE_MAX, description="0 to 19: how much other commands go before it."
    )


class CommandInput(Input):
    """What to run, and how."""

    container: ContainerArgument
    argv: list[str] = Field(
        min_length=1,
        max_length=4096,
        description=(
            "Program and arguments, one item each; there is no shell. For pipes, globs, && or several lines "
            'give ["sh", "-c", "…"].'
        ),
    )
    cwd: PathText | None = Field(
        default=None,
        description="Directory to run in, relative to the workspace or absolute; absent: the image's or workspace.",
    )
    create_cwd: bool = Field(
        default=False,
        description=(
            "Make `cwd` with its parents first when it is missing; beneath the workspace only. Otherwise a missing one "
            "is `failed_to_start` with `bad_directory`."
        ),
    )
    user: str | None = Field(
        default=None,
        min_length=1,
        max_length=21,
        description=(
            "Who it runs as, uid or uid:gid: the container's user, which is the default, or one that its "
            "`policy.exec_users` lists. Any other one is refused."
        ),
    )
    env: dict[str, str] = Field(
        default_factory=dict[str, str], description="Variables added to the container's for this command."
    )
    stdin: str | None = Field(default=None, description="Text given on its standard input, then end of file.")
    stdin_base64: str | None = Field(default=None, description="The same for arbitrary bytes, as base64.")
    timeout_s: float | None = Field(
        default=None,
        gt=0,
        description="End the command and all it started after so many seconds; absent: the default.",
    )
    grace_s: float | None = Field(
        default=None, ge=0, description="Seconds between TERM and KILL when it is ended; absent: the default."
    )
    queue_s: float = Field(
        default=0.0,
        ge=0,
        le=WAIT_MAX_S,
        description=(
            "When as many commands run as are allowed: wait so many seconds for one to end. 0 refuses at once "
            "with `concurrency_limit`."
        ),
    )
    leftovers: Literal["leave", "end"] = Field(
        default="leave",
        description=(
            "Background processes that the command leaves when it ends: leave lets them run on, for example a "
            "server; end ends them first."
        ),
    )
    limits: LimitsInput | None = Field(
        default=None, description="Limits of its processes; absent: the container's."
    )
    idempotency_key: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description=(
            "Any unique text. A repeat with the same key and arguments within a day gives the same command and "
            "`replayed: true` instead of running it again, so a call whose answer was lost can be repeated safely. "
            "A command that could not be started may be tried again with its key."
        ),
    )


class TerminalInput(Input):
    """A terminal for a command."""

    columns: int = Field(default=80, ge=1, le=TERMINAL_SIDE_MAX, description="Its width in characters.")
    rows: int = Field(default=24, ge=1, le=TERMINAL_SIDE_MAX, description="Its height in lines.")


class ExecStartInput(CommandInput):
    """Arguments of `exec_start`."""

    tty: TerminalInput | None = Field(
        default=None,
        description=(
            "Run it at a terminal of this size, for programs that ask for one (REPLs, shells, editors): all output "
            "is stdout, input stays open and is typed with `exec_input`; TERM is xterm-256color unless in env."
        ),
    )
    open_stdin: bool = Field(
        default=False,
        description="Keep standard input open after `stdin`, for `exec_input`; a terminal's always is.",
    )


class ExecStartOutput(ToolOutput):
    """Result of `exec_start`."""

    exec: ExecView = Field(description="The command's run; it goes on whatever happens to your connection.")
    replayed: bool = Field(
        default=False, description="Whether an earlier call with the same key had started it."
    )


class ExecPollInput(Input):
    """Arguments of `exec_poll`."""

    exec_id: ExecArgument
    after: int = Field(
        default=0,
        ge=0,
        description="The `cursor` of the last poll: output after it comes; 0 is from the beginning.",
    )
    max_bytes: int = Field(
        default=OUTPUT_DEFAULT_BYTES,
        ge=1,
        le=TEXT_MAX_BYTES,
        description="About how much output to return at most, in bytes (one chunk comes in any case).",
    )
    wait_s: float = Field(
        default=0.0,
        ge=0,
        le=WAIT_MAX_S,
        description="Wait so many seconds when there is nothing new; 0 answers at once.",
    )
    until: Literal["output", "end"] = Field(
        default="output",
        description=(
            "What wait_s waits for. output: anything new. end: the command's end or a full page; best for "
            "commands that you expect to end soon."
        ),
    )


class ExecPollOutput(ToolOutput):
    """Result of `exec_poll`."""

    output: list[OutputPiece] = Field(description="Output after the cursor that was given, in order.")
    cursor: int = Field(description="Give it as `after` to the next poll.")
    ended: bool = Field(description="Whether the command has ended and this page reaches its last byte.")
    ending: ExecEndingView | None = Field(
        default=None, description="How it ended; present when `ended` is true."
    )


class ExecWaitInput(Input):
    """Arguments of `exec_wait`."""

    exec_id: ExecArgument
    wait_s: float = Field(
        default=30.0,
        ge=0,
        le=WAIT_MAX_S,
        description="Wait at most so many seconds; then call again if you like.",
    )


class ExecWaitOutput(ToolOutput):
    """Result of `exec_wait`."""

    exec: ExecView = Field(description="The run; see `state` and `ending`.")
    ended: bool = Field(description="Whether it has ended.")


class ExecCancelInput(Input):
    """Arguments of `exec_cancel`."""

    exec_id: ExecArgument


class ExecCancelOutput(ToolOutput):
    """Result of `exec_cancel`."""

    exec: ExecView = Field(description="The ended run; its output can still be polled.")


class ExecSignalInput(Input):
    """Arguments of `exec_signal`."""

    exec_id: ExecArgument
    signal: str = Field(
        min_length=1, max_length=16, description="Name of the signal, for example INT, TERM, HUP or USR1."
    )
    scope: Literal["tree", "group", "leader"] = Field(
        default="tree",
        description=(
            "Whom it reaches: tree is every process of the command, group the first one's process group, leader "
            "only the first process."
        ),
    )


class ExecSignalOutput(ToolOutput):
    """Result of `exec_signal`."""

    sent: bool = Field(description="Whether it was sent; false when the command does not run (any more).")


class ExecInputInput(Input):
    """Arguments of `exec_input`."""

    exec_id: ExecArgument
    text: str | None = Field(
        default=None,
        description=r"Text to give; at a terminal end a line with \n, type Ctrl-C as \u0003, Ctrl-D as \u0004.",
    )
    base64: str | None = Field(default=None, description="The same for arbitrary bytes, as base64.")
    eof: bool = Field(
        default=False,
        description=(
            "Give end of file after it: nothing can be given any more. At a terminal this types Ctrl-D for the "
            "last time; to go on afterwards, give \u0004 as text instead."
        ),
    )
    wait_s: float = Field(
        default=10.0,
        ge=0,
        le=WAIT_MAX_S,
        description="Wait at most so many seconds for the command to read what is given.",
    )


class ExecInputOutput(ToolOutput):
    """Result of `exec_input`."""

    accepted_bytes: int = Field(
        description="How many bytes were taken, from the first on; less than given when the command did not read."
    )
    complete: bool = Field(description="Whether all was taken; if not, give the rest again.")
    eof: bool = Field(description="Whether end of file was given.")


class ExecResizeInput(Input):
    """Arguments of `exec_resize`."""

    exec_id: ExecArgument
    columns: int = Field(ge=1, le=TERMINAL_SIDE_MAX, description="The new width in characters.")
    rows: int = Field(ge=1, le=TERMINAL_SIDE_MAX, description="The new height in lines.")


class ExecResizeOutput(ToolOutput):
    """Result of `exec_resize`."""

    resized: bool = Field(description="Whether it was; false when the command does not run (any more).")


class ExecListInput(Input):
    """Arguments of `exec_list`."""

    container: ContainerArgument
    running: bool = Field(default=False, description="Only those that have not ended.")
    limit: int = Field(
        default=LIST_DEFAULT, ge=1, le=LIST_MAX, description="The most commands to return, the newest ones."
    )


class ExecListOutput(ToolOutput):
    """Result of `exec_list`."""

    execs: list[ExecView] = Field(description="The commands, the oldest first.")
    truncated: bool = Field(description="Whether older ones were left out; raise `limit`.")


def request_of(given: CommandInput, tty: TerminalInput | None = None) -> ExecRequest:
    """Return what core is asked for.

    Raises:
        ValidationFailed: The input is given twice, or is not base64.
    """
    return ExecRequest(
        argv=tuple(given.argv),
        cwd=None if given.cwd is None else PurePosixPath(given.cwd),
        create_cwd=given.create_cwd,
        user=given.user,
        env=given.env,
        stdin=one_content("stdin", given.stdin, "stdin_base64", given.stdin_base64),
        timeout_s=given.timeout_s,
        grace_s=given.grace_s,
        queue_s=given.queue_s,
        leftovers=Leftovers(given.leftovers),
        tty=None if tty is None else TerminalSize(columns=tty.columns, rows=tty.rows),
        limits=ResourceLimits() if given.limits is None else ResourceLimits(**given.limits.model_dump()),
    )


async def exec_start(context: ToolContext, given: ExecStartInput) -> ExecStartOutput:
    """Start a command."""
    record = await context.bench.execs.start(
        given.container,
        request_of(given, given.tty),
        open_stdin=given.open_stdin,
        idempotency_key=given.idempotency_key,
        outlives_caller=True,
        caller=context.caller,
    )
    return ExecStartOutput(exec=ExecView.of(record), replayed=record.replayed)


async def exec_poll(context: ToolContext, given: ExecPollInput) -> ExecPollOutput:
    """Read output."""
    started = time.monotonic()
    reporter = OutputReporter(context.progress, started, given.wait_s)
    chunks: list[Chunk] = []
    cursor, left_bytes = given.after, given.max_bytes
    while True:
        waited_s = time.monotonic() - started
        page = await context.bench.execs.poll(
            given.exec_id,
            after=cursor,
            max_bytes=left_bytes,
            wait_s=max(0.0, min(given.wait_s - waited_s, QUIET_EVERY_S)),
            caller=context.caller,
        )
        taken, cursor, ending = _bounded(page, CHUNKS_MAX - len(chunks))
        chunks.extend(taken)
        left_bytes -= sum(len(chunk.data) for chunk in taken)
        waited_s = time.monotonic() - started
        enough = bool(chunks) if given.until == "output" else left_bytes <= 0 or len(chunks) >= CHUNKS_MAX
        if ending is not None or enough or waited_s >= given.wait_s:
            break
        if taken:
            await reporter.tell(taken)
        elif reporter.is_due(QUIET_EVERY_S):
            await reporter.say(f"{given.exec_id} is running")
    return ExecPollOutput(
        output=pieces_of(chunks),
        cursor=cursor,
        ended=ending is not None,
        ending=None if ending is None else ExecEndingView.of(ending),
    )


def _bounded(page: Page, room: int) -> tuple[tuple[Chunk, ...], int, ExecEnding | None]:
    """Return what fits of a page, where it ends, and the ending when it is reached."""
    if len(page.chunks) <= room:
        return page.chunks, page.cursor, page.ending
    taken = page.chunks[:room]
    return taken, taken[-1].seq, None


async def exec_wait(context: ToolContext, given: ExecWaitInput) -> ExecWaitOutput:
    """Wait for the end."""
    execs, started = context.bench.execs, time.monotonic()
    reporter = OutputReporter(context.progress, started, given.wait_s)
    most_s = given.wait_s if context.leave_after_s is None else min(given.wait_s, context.leave_after_s)
    step_s, told = (OUTPUT_EVERY_S if context.is_followed else QUIET_EVERY_S), Mark()
    while True:
        rest_s = max(0.0, started + most_s - time.monotonic())
        record = await execs.wait(given.exec_id, wait_s=min(rest_s, step_s), caller=context.caller)
        if record.state is ExecState.ENDED or time.monotonic() - started >= most_s:
            return ExecWaitOutput(exec=ExecView.of(record), ended=record.state is ExecState.ENDED)
        if not context.is_followed:
            continue
        now = await execs.news(given.exec_id, seen=None, caller=context.caller)
        if now.seq > told.seq:
            told = now
            await reporter.say(await last_line_of(execs, given.exec_id, context.caller))
        elif reporter.is_due(QUIET_EVERY_S):
            await reporter.say(f"{given.exec_id} is {record.state}")


async def exec_cancel(context: ToolContext, given: ExecCancelInput) -> ExecCancelOutput:
    """End a command with its whole process tree."""
    return ExecCancelOutput(
        exec=ExecView.of(await context.bench.execs.cancel(given.exec_id, caller=context.caller))
    )


async def exec_signal(context: ToolContext, given: ExecSignalInput) -> ExecSignalOutput:
    """Send a signal."""
    sent = await context.bench.execs.signal(
        given.exec_id, given.signal, scope=SignalScope(given.scope), caller=context.caller
    )
    return ExecSignalOutput(sent=sent)


async def exec_input(context: ToolContext, given: ExecInputInput) -> ExecInputOutput:
    """Give input."""
    data = one_content("text", given.text, "base64", given.base64)
    if data is None and not given.eof:
        raise ValidationFailed("text", "is missing", hint="give `text`, `base64` or `eof`")
    data = data or b""
    taken = await context.bench.execs.write_input(
        given.exec_id, data, eof=given.eof, wait_s=given.wait_s, caller=context.caller
    )
    return ExecInputOutput(
        accepted_bytes=taken.accepted_bytes,
        complete=taken.accepted_bytes == len(data) and taken.eof == given.eof,
        eof=taken.eof,
    )


async def exec_resize(context: ToolContext, given: ExecResizeInput) -> ExecResizeOutput:
    """Resize a terminal."""
    size = TerminalSize(columns=given.columns, rows=given.rows)
    return ExecResizeOutput(
        resized=await context.bench.execs.resize(given.exec_id, size, caller=context.caller)
    )


async def exec_list(context: ToolContext, given: ExecListInput) -> ExecListOutput:
    """Return a container's commands."""
    found = await context.bench.execs.list(given.container, running=given.running, caller=context.caller)
    shown = found[-given.limit :]
    return ExecListOutput(
        execs=[ExecView.of(each, argv_max=ARGV_MAX) for each in shown], truncated=len(shown) < len(found)
    )
