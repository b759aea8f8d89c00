"""How errors look, and which exit code each has."""

from __future__ import annotations

import json
import os
import sys
from typing import cast

from devbench_core.errors import DevbenchError

EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_NOT_FOUND = 3
EXIT_REFUSED = 4
EXIT_CONFLICT = 5
EXIT_UNAVAILABLE = 69
EXIT_TRY_AGAIN = 75
EXIT_CONFIGURATION = 78
EXIT_TIMEOUT = 124
EXIT_EXEC_FAILED = 125
EXIT_NOT_EXECUTABLE = 126
EXIT_COMMAND_NOT_FOUND = 127
EXIT_SIGNAL_BASE = 128
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
EXIT_TERMINATED = 143

EXIT_CODES = {
    "validation": EXIT_USAGE,
    "not_found": EXIT_NOT_FOUND,
    "container_not_found": EXIT_NOT_FOUND,
    "exec_not_found": EXIT_NOT_FOUND,
    "task_not_found": EXIT_NOT_FOUND,
    "shell_not_found": EXIT_NOT_FOUND,
    "exec_purged": EXIT_NOT_FOUND,
    "image_not_found": EXIT_NOT_FOUND,
    "file_not_found": EXIT_NOT_FOUND,
    "plugin_not_found": EXIT_NOT_FOUND,
    "image_refused": EXIT_REFUSED,
    "path_outside_workspace": EXIT_REFUSED,
    "too_large": EXIT_REFUSED,
    "archive_refused": EXIT_REFUSED,
    "dump_refused": EXIT_REFUSED,
    "capability_not_enforced": EXIT_REFUSED,
    "unauthorised": EXIT_REFUSED,
    "vetoed": EXIT_REFUSED,
    "conflict": EXIT_CONFLICT,
    "file_conflict": EXIT_CONFLICT,
    "edit_failed": EXIT_CONFLICT,
    "input_unavailable": EXIT_CONFLICT,
    "stale_token": EXIT_CONFLICT,
    "shell_ended": EXIT_CONFLICT,
    "shell_idle": EXIT_CONFLICT,
    "shell_elsewhere": EXIT_CONFLICT,
    "image_pull_failed": EXIT_UNAVAILABLE,
    "engine_unreachable": EXIT_UNAVAILABLE,
    "agent_unavailable": EXIT_UNAVAILABLE,
    "agent_misbehaved": EXIT_UNAVAILABLE,
    "agent_outdated": EXIT_REFUSED,
    "agent_gone": EXIT_UNAVAILABLE,
    "agent_silent": EXIT_UNAVAILABLE,
    "host_unreachable": EXIT_UNAVAILABLE,
    "concurrency_limit": EXIT_TRY_AGAIN,
    "quota_exceeded": EXIT_REFUSED,
    "shell_busy": EXIT_TRY_AGAIN,
    "lease_lost": EXIT_TRY_AGAIN,
    "configuration_invalid": EXIT_CONFIGURATION,
    "composition_failed": EXIT_CONFIGURATION,
    "plugin_incompatible": EXIT_CONFIGURATION,
    "outcome_unknown": EXIT_TIMEOUT,
    "timeout": EXIT_TIMEOUT,
    "cancelled": EXIT_INTERRUPTED,
}
"""Exit code by error code; what is not listed here exits with 1."""

BOLD_RED, RESET = "\x1b[1;31m", "\x1b[0m"


class HostUnreachable(DevbenchError):
    """The remote host does not answer."""

    code = "host_unreachable"
    retry = True


def exit_code_of(error: DevbenchError) -> int:
    """Return the exit code of an error."""
    return EXIT_CODES.get(error.code, EXIT_FAILURE)


def error_text(error: DevbenchError, *, colour: bool = False) -> str:
    """Return the block that people read on stderr."""
    label = f"error[{error.code}]:"
    head = f"{BOLD_RED}{label}{RESET}" if colour else label
    text = f"{head} {error.message}\n"
    return f"{text}hint: {error.hint}\n" if error.hint else text


def print_error(error: DevbenchError, *, as_json: bool) -> None:
    """Write an error to stderr: one block for people, one line of JSON for machines."""
    if as_json:
        payload = {
            "code": error.code,
            "message": error.message,
            "hint": error.hint,
            "retry": error.retry,
            "details": error.details,
        }
        sys.stderr.write(json.dumps({"error": payload}, default=str) + "\n")
        return
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    sys.stderr.write(error_text(error, colour=colour))


def only_cause(error: BaseException) -> BaseException:
    """Unwrap groups that hold one exception: task groups wrap what their body raises."""
    inner = cast("tuple[BaseException, ...]", getattr(error, "exceptions", ()))
    return only_cause(inner[0]) if len(inner) == 1 else error
