"""Why a shell does not do what it is asked for."""

from __future__ import annotations

from devbench_core.errors import ShellBusy, ShellElsewhere, ShellEnded, ValidationFailed
from devbench_core.model.shell import Shell


def busy(shell: Shell) -> ShellBusy:
    """Return the error for a shell that does something else."""
    number = shell.run.number if shell.run is not None else 0
    return ShellBusy(
        f"shell {shell.id!r} is busy with run {number}",
        hint="wait for its end with shell_read, cancel it with shell_cancel, or open another shell",
        details={"run": number},
    )


def over(shell: Shell) -> ShellEnded:
    """Return the error for a shell that has ended."""
    return ShellEnded(
        f"shell {shell.id!r} has ended", hint="open another; what the last one had in memory is gone"
    )


def elsewhere(shell: Shell) -> ShellElsewhere:
    """Return the error for a shell of another host."""
    return ShellElsewhere(
        f"shell {shell.id!r} is followed by another host",
        hint="try again: it is being handed from host to host",
    )


def check_script(script: str, most: int) -> None:
    """Refuse a script that cannot be given to a shell.

    Raises:
        ValidationFailed: It is too long, holds NUL, or cannot be encoded.
    """
    if "\0" in script:
        raise ValidationFailed("script", "contains NUL")
    try:
        size = len(script.encode())
    except UnicodeEncodeError as error:
        raise ValidationFailed("script", "contains characters that cannot be encoded") from error
    if size > most:
        raise ValidationFailed(
            "script",
            f"is {size} bytes, at most {most} are allowed",
            hint="write it to a file and run that; the limit is shells.script_max_bytes",
            limit=most,
        )
