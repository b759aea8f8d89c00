"""The tool that tells what changes in a workspace."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devbench_core.model.change import FileChange
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import WAIT_MAX_S, ContainerArgument, Input, PathArgument
from devbench_core.tools.views import View

WAIT_DEFAULT_S = 30.0
CHANGES_MAX = 200


class FsWatchInput(Input):
    """Arguments of `fs_watch`."""

    container: ContainerArgument
    path: PathArgument = "."
    cursor: str = Field(
        default="",
        max_length=64,
        description="The `cursor` of the call before; empty to begin, which returns one at once.",
    )
    wait_s: float = Field(
        default=WAIT_DEFAULT_S,
        ge=0,
        le=WAIT_MAX_S,
        description="How long to wait for a change when there is none yet.",
    )
    recursive: bool = Field(default=True, description="Also what lies in folders beneath it.")
    max_changes: int = Field(default=CHANGES_MAX, ge=1, le=CHANGES_MAX, description="The most in one page.")


class ChangeView(View):
    """A change of a file or folder."""

    kind: Literal["created", "modified", "deleted", "moved"] = Field(description="What happened.")
    path: str = Field(description="Absolute path in the container; of a move the new one.")
    type: Literal["file", "directory"] = Field(description="What it is or was.")
    moved_from: str | None = Field(default=None, description="Of a move the old path.")

    @classmethod
    def of(cls, change: FileChange) -> ChangeView:
        """Return the view of a change."""
        return cls(
            kind=change.kind.value,
            path=str(change.path),
            type="directory" if change.type.value == "directory" else "file",
            moved_from=None if change.origin is None else str(change.origin),
        )


class FsWatchOutput(ToolOutput):
    """Result of `fs_watch`."""

    changes: list[ChangeView] = Field(description="What changed since the cursor, in order.")
    cursor: str = Field(description="Give it to the next call, and nothing is missed.")
    rescan: bool = Field(
        default=False,
        description="Some changes were missed: look at the folder as a whole, then go on from `cursor`.",
    )
    partial: bool = Field(
        default=False, description="The tree has more folders than can be watched; some are not."
    )


async def fs_watch(context: ToolContext, given: FsWatchInput) -> FsWatchOutput:
    """Return a page of changes."""
    page = await context.bench.files.changes(
        given.container,
        given.path,
        cursor=given.cursor,
        wait_s=given.wait_s,
        recursive=given.recursive,
        limit=given.max_changes,
        caller=context.caller,
    )
    return FsWatchOutput(
        changes=[ChangeView.of(change) for change in page.changes],
        cursor=page.cursor,
        rescan=page.rescan,
        partial=page.partial,
    )
