"""Makes the directory that a command shall run in, where that is asked for."""

from __future__ import annotations

from attrs import evolve

from devbench_core.channel import filecalls
from devbench_core.channel.exec_messages import Start
from devbench_core.channel.link import AgentLink
from devbench_core.channel.replies import FileRefused, RequestRefused
from devbench_core.errors import ValidationFailed
from devbench_core.files.paths import relative_path
from devbench_core.files.settings import FileLimits
from devbench_core.files.translate import error_of
from devbench_core.model.execution import ExecRequest

HERE = b"."


def directory_of(request: ExecRequest, limits: FileLimits) -> bytes | None:
    """Return the directory to make, relative to the workspace; None when none is asked for.

    Raises:
        ValidationFailed: It is no path, or none is given.
        PathOutside: It leads out of the workspace, where nothing is made.
    """
    if not request.create_cwd:
        return None
    if request.cwd is None:
        raise ValidationFailed("create_cwd", "needs cwd: there is no directory to make")
    try:
        return relative_path(request.cwd, limits)
    except ValidationFailed as error:
        problem = error.message.removeprefix("path: ")
        raise ValidationFailed("cwd", problem, hint=error.hint, limit=error.details.get("limit")) from error


async def made(link: AgentLink, start: Start, directory: bytes) -> Start:
    """Make a directory with those above it, as the command's user, and return the command to run in it.

    One that is there already is fine. Links are followed beneath the workspace.

    Raises:
        PathOutside: A link on the way leads out of the workspace.
        FileFailed: It cannot be made; names it and says why.
        AgentUnavailable: The agent cannot be reached; it may have been made.
        TimedOut: The agent did not answer; likewise.
    """
    if directory:
        channel = await link.channel()
        try:
            await filecalls.make_dir(channel, directory, parents=True, exist_ok=True)
        except (FileRefused, RequestRefused) as error:
            raise error_of(error, directory) from error
    return evolve(start, cwd=directory or HERE)
