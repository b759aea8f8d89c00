"""Endings: what the agent says, in devbench's words."""

from __future__ import annotations

from datetime import datetime

from devbench_core.channel.codes import NO_EXIT_CODE, NOT_TOLD, EndedBy, Failure, Refusal
from devbench_core.channel.exec_messages import Ended, Failed
from devbench_core.channel.faults import quote
from devbench_core.channel.messages import Refused
from devbench_core.model.container import ContainerEnding
from devbench_core.model.execution import ExecEnding, ExecReason, Usage

MICRO = 1_000_000
REASONS = {
    EndedBy.EXITED: ExecReason.EXITED,
    EndedBy.SIGNALED: ExecReason.SIGNALED,
    EndedBy.TIMED_OUT: ExecReason.TIMED_OUT,
    EndedBy.CANCELLED: ExecReason.CANCELLED,
    EndedBy.LOST: ExecReason.LOST,
}
FAILURES = {
    Failure.NOT_FOUND: "not_found",
    Failure.NOT_EXECUTABLE: "not_executable",
    Failure.BAD_DIRECTORY: "bad_directory",
    Failure.TOO_LONG: "too_long",
    Failure.NO_RESOURCES: "no_resources",
    Failure.OTHER: "other",
    Failure.NO_TERMINAL: "no_terminal",
}


def of_end(message: Ended, at: datetime, note: str = "") -> ExecEnding:
    """Return the ending of a command that ran."""
    reason = REASONS[message.reason]
    text = quote(message.message)
    if message.leftovers:
        text = f"{text}; {message.leftovers} of its processes were left".lstrip("; ")
    return ExecEnding(
        reason=reason,
        exit_code=message.exit_code
        if reason is ExecReason.EXITED and message.exit_code != NO_EXIT_CODE
        else None,
        signal=message.signal or None if reason is not ExecReason.EXITED else None,
        message=note or text,
        at=at,
        usage=_usage(message),
        output_bytes=message.output_end,
    )


def _usage(message: Ended) -> Usage:
    return Usage(
        wall_s=message.wall_us / MICRO,
        user_s=_seconds(message.user_us),
        system_s=_seconds(message.system_us),
        max_rss_bytes=_told(message.max_rss_bytes),
        voluntary_switches=_told(message.voluntary_switches),
        involuntary_switches=_told(message.involuntary_switches),
        read_bytes=_told(message.read_bytes),
        written_bytes=_told(message.written_bytes),
    )


def _told(value: int) -> int | None:
    return None if value == NOT_TOLD else value


def _seconds(value_us: int) -> float | None:
    return None if value_us == NOT_TOLD else value_us / MICRO


def of_failure(message: Failed, program: str, cwd: str, at: datetime) -> ExecEnding:
    """Return the ending of a command that could not be executed, naming the program or the directory."""
    failure = FAILURES[message.code]
    named = cwd if message.code is Failure.BAD_DIRECTORY and cwd else program
    text = f"{named[:200]!r}: {quote(message.message) or failure.replace('_', ' ')}"
    return ExecEnding(reason=ExecReason.FAILED_TO_START, failure=failure, message=text, at=at)


def of_refusal(message: Refused, at: datetime) -> ExecEnding:
    """Return the ending of a command that the agent would not take."""
    failure = "no_resources" if message.code in {Refusal.TOO_MANY, Refusal.BUSY} else "other"
    text = f"the agent refused it: {message.code.name.lower().replace('_', ' ')} {quote(message.message)}".rstrip()
    return ExecEnding(reason=ExecReason.FAILED_TO_START, failure=failure, message=text, at=at)


def of_loss(reason: str, at: datetime, output_bytes: int) -> ExecEnding:
    """Return the ending of a command whose true ending is not known."""
    return ExecEnding(reason=ExecReason.LOST, message=reason, at=at, output_bytes=output_bytes)


def of_unsent(why: str, at: datetime) -> ExecEnding:
    """Return the ending of a command that never reached the agent."""
    return ExecEnding(reason=ExecReason.FAILED_TO_START, failure="other", message=why, at=at)


def never_ran(ending: ExecEnding) -> bool:
    """Tell whether a command certainly did nothing: it could not be executed, or was given up before it was sent."""
    withdrawn = ending.reason is ExecReason.CANCELLED and ending.usage is None
    return withdrawn or ending.reason is ExecReason.FAILED_TO_START


def of_container(ending: ContainerEnding, at: datetime, output_bytes: int = 0) -> ExecEnding:
    """Return the ending of a command that ended with its container."""
    text = f"its container ended: {ending.reason} by {ending.by}"
    return ExecEnding(
        reason=ExecReason.CONTAINER_EXITED,
        message=f"{text}, {ending.message}" if ending.message else text,
        at=at,
        output_bytes=output_bytes,
    )
