"""The tools for persistent shells as such: open, cancel, close, list."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from devbench_core.model.shell import ShellKind
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import ContainerArgument, Input, PathText
from devbench_core.tools.shell_views import ShellArgument, ShellRunView, ShellView


class ShellOpenInput(Input):
    """Arguments of `shell_open`."""

    container: ContainerArgument
    program: Literal["auto", "bash", "sh"] = Field(
        default="auto", description="auto takes bash where the container has it, else sh."
    )
    cwd: PathText | None = Field(
        default=None,
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
