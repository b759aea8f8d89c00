"""Input for a command that runs: given to it in order, or refused by saying why; nothing is dropped silently."""

from __future__ import annotations

import asyncio

from devbench_core.channel.stdin import StdinBuffer, pieces
from devbench_core.contracts.store import Record
from devbench_core.errors import InputUnavailable, TooLarge, ValidationFailed
from devbench_core.execs import records
from devbench_core.execs.run import Run
from devbench_core.execs.settings import ExecLimits
from devbench_core.model.execution import InputTaken

HINTS = {
    "ended": "its output and its ending can still be polled",
    "no_stdin": "start the command with `open_stdin`, or with `tty` for a terminal",
    "closed": "it closed its input or is ending, or it was given end of file before",
    "shell": "use `shell_input` while an interactive run is under way",
    "elsewhere": "try again: it is being handed from host to host",
}


def check_input(data: bytes, wait_s: float, limits: ExecLimits) -> None:
    """Check bytes for a command.

    Raises:
        TooLarge: There are too many.
        ValidationFailed: The wait is negative.
    """
    if wait_s < 0:
        raise ValidationFailed("wait_s", "must not be negative")
    if len(data) > limits.stdin_max_bytes:
        raise TooLarge(
            f"{len(data)} bytes of input are more than {limits.stdin_max_bytes}",
            hint="send them in pieces, or write a file and let the command read it",
            details={"limit": limits.stdin_max_bytes, "setting": "execs.stdin_max_bytes"},
        )


def host_of(found: Record) -> str:
    """Return the host that holds what a command has not read yet, "" where none is to be asked."""
    record, stdin = records.read(found), records.stdin_bytes(found)
    is_open = record.ending is None and stdin is not None and not records.is_shell(record, stdin)
    return record.instance if is_open else ""


def is_elsewhere(error: InputUnavailable) -> bool:
    """Tell whether a host was asked that does not hold the input any more, and gave nothing of it."""
    return error.details.get("reason") == "elsewhere" and not error.details.get("accepted_bytes")


def open_input(found: Run | Record, exec_id: str) -> tuple[Run, StdinBuffer]:
    """Return the command and its input when that can be written to here.

    Raises:
        InputUnavailable: It cannot.
    """
    if not isinstance(found, Run):
        record = records.read(found)
        if record.ending is not None:
            raise _unavailable("ended", f"command {exec_id!r} has ended")
        if records.stdin_bytes(found) is None:
            raise _unavailable("no_stdin", f"command {exec_id!r} was started without an open stdin")
        if records.is_shell(record, records.stdin_bytes(found)):
            raise _shell(exec_id)
        raise _unavailable(
            "elsewhere", f"the input of command {exec_id!r} is held by host {record.instance!r}"
        )
    if found.has_ending:
        raise _unavailable("ended", f"command {exec_id!r} has ended")
    if found.done.done():
        raise _unavailable("elsewhere", f"this host holds the input of command {exec_id!r} no longer")
    refuse_shell(found)
    if found.stdin is None or found.stream is None:
        raise _unavailable("no_stdin", f"command {exec_id!r} was started without an open stdin")
    if found.stdin.closed or found.stdin.complete:
        raise _unavailable("closed", f"command {exec_id!r} takes no more input")
    return found, found.stdin


def refuse_shell(run: Run) -> None:
    """Refuse to write to the input of a persistent shell from beside its runs.

    Raises:
        InputUnavailable: It is one.
    """
    if run.is_shell:
        raise _shell(run.record.id)


async def give_input(run: Run, data: bytes, *, eof: bool, wait_s: float) -> InputTaken:
    """Give bytes in their turn, as many as the command makes room for within the time.

    Raises:
        InputUnavailable: The command ended or closed its input before all of them were taken.
    """
    taken = 0
    try:
        async with asyncio.timeout(wait_s), run.input_turn:
            stdin = _still_open(run, taken)
            for piece in pieces(data):
                taken += len(piece) if await stdin.add(piece) else 0
                _still_open(run, taken)
                _push(run)
            if eof:
                _still_open(run, taken).complete = True
                _push(run)
    except TimeoutError:
        return InputTaken(accepted_bytes=taken)
    return InputTaken(accepted_bytes=taken, eof=eof)


def _still_open(run: Run, taken: int) -> StdinBuffer:
    try:
        return open_input(run, run.record.id)[1]
    except InputUnavailable as error:
        error.details["accepted_bytes"] = taken
        raise


def _push(run: Run) -> None:
    if run.stream is not None:
        run.stream.push_stdin()


def _shell(exec_id: str) -> InputUnavailable:
    # What no run reads the next one would, and after an end of file none would have an input.
    return _unavailable("shell", f"command {exec_id!r} is a shell, which only its runs can be given input in")


def _unavailable(reason: str, message: str) -> InputUnavailable:
    return InputUnavailable(message, hint=HINTS[reason], details={"reason": reason, "accepted_bytes": 0})
