"""The tools that change files in place: edit, move, copy, make a folder, change modes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from devbench_core.errors import ValidationFailed
from devbench_core.model.filechange import Replacement
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import ContainerArgument, EtagArgument, Input, PathArgument, PathText
from devbench_core.tools.file_views import FileView
from devbench_core.tools.views import View

MODE = r"^[0-7]{3,4}$"
EDITS_MAX = 200
ToArgument = Annotated[
    PathText, Field(description="The whole new path, not the folder to put it into; as `path`.")
]
TargetEtag = Annotated[
    str | None,
    Field(
        max_length=200,
        description="Replace what is at `to`, but only when it is a file that still has this etag.",
    ),
]
Parents = Annotated[bool, Field(description="Make missing folders above the target.")]
Overwrite = Annotated[
    bool, Field(description="Replace what is at `to`; else it is refused as `file_conflict`.")
]


class FsReplacement(Input):
    """One exact replacement."""

    old: str = Field(
        min_length=1,
        description="Exactly what is there, with its blanks and line ends; enough of it to be there once.",
    )
    new: str = Field(description="What stands there afterwards; empty to delete it.")
    count: int = Field(
        default=1,
        ge=0,
        description="How often `old` must be there; all are replaced. 0: however often it is.",
    )


class FsEditInput(Input):
    """Arguments of `fs_edit`."""

    container: ContainerArgument
    path: PathArgument
    edits: list[FsReplacement] = Field(
        default=[],
        max_length=EDITS_MAX,
        description="Replacements in this order, each looked for in what those before it left. Or give `diff`.",
    )
    diff: str | None = Field(
        default=None,
        description=(
            "A unified diff of this one file, with hunks as @@ -LINE,COUNT +LINE,COUNT @@. A hunk whose lines are not "
            "at its line but in one other place applies there."
        ),
    )
    encoding: str = Field(
        default="utf-8", max_length=40, description="Of the file, for example latin-1 or utf-16."
    )
    if_match: EtagArgument = None
    durable: bool = Field(default=False, description="Return only when it is on disk.")


class EditedPlaceView(View):
    """Where an edit changed something."""

    index: int = Field(description="Of the replacement or hunk, from 0.")
    line: int = Field(description="The first line that it changed, counted from 1 when its turn came.")
    offset: int = Field(default=0, description="How many lines after its header's a hunk applied.")


class FsEditOutput(ToolOutput):
    """Result of `fs_edit`."""

    file: FileView = Field(
        description="The file as it is now; keep its etag for the next conditional change."
    )
    before: str = Field(description="The etag of what was edited.")
    places: list[EditedPlaceView] = Field(description="What was changed, in order; at most a hundred.")
    changes: int = Field(description="How many places were changed in all.")
    attempts: int = Field(description="More than 1 when the file changed meanwhile and it was edited anew.")


class FsMoveInput(Input):
    """Arguments of `fs_move`."""

    container: ContainerArgument
    path: PathArgument
    to: ToArgument
    overwrite: Overwrite = False
    if_match: EtagArgument = None
    if_match_to: TargetEtag = None
    parents: Parents = True


class FsMoveOutput(ToolOutput):
    """Result of `fs_move`."""

    file: FileView = Field(description="What was moved, under its new path.")
    replaced: bool = Field(description="Whether something else had this path before.")


class FsCopyInput(Input):
    """Arguments of `fs_copy`."""

    container: ContainerArgument
    path: PathArgument
    to: ToArgument
    recursive: bool = Field(
        default=False, description="Needed for a folder; `to` must not exist then. Links are copied as links."
    )
    skip_special: bool = Field(
        default=False, description="Leave out pipes, devices and sockets of a folder, which are refused else."
    )
    overwrite: Overwrite = False
    if_match: EtagArgument = None
    if_match_to: TargetEtag = None
    parents: Parents = True


class FsCopyOutput(ToolOutput):
    """Result of `fs_copy`."""

    file: FileView = Field(description="The copy.")
    created: bool = Field(description="Whether its path is new.")
    entries: int = Field(description="Files, links and folders that were copied, itself included.")
    size_bytes: int = Field(description="Of all their contents.")
    skipped: int = Field(default=0, description="Pipes, devices and sockets that were left out.")


class FsMkdirInput(Input):
    """Arguments of `fs_mkdir`."""

    container: ContainerArgument
    path: PathArgument
    mode: str | None = Field(
        default=None, pattern=MODE, description="Permission bits in octal, exactly; absent is 755."
    )
    parents: bool = Field(
        default=True, description="Make missing folders above it too; a folder that is there already is fine."
    )


class FsMkdirOutput(ToolOutput):
    """Result of `fs_mkdir`."""

    folder: FileView = Field(description="The folder.")


class FsChmodInput(Input):
    """Arguments of `fs_chmod`."""

    container: ContainerArgument
    path: PathArgument
    mode: str = Field(pattern=MODE, description="All permission bits in octal, for example 755 or 0644.")
    recursive: bool = Field(
        default=False,
        description="Also all that is in the folder; folders let in whoever may read. Links are not followed there.",
    )
    if_match: EtagArgument = None


class FsChmodOutput(ToolOutput):
    """Result of `fs_chmod`."""

    file: FileView = Field(description="What is at the path now; its etag is another one.")
    changed: int = Field(description="How many files and folders were changed.")


async def fs_edit(context: ToolContext, given: FsEditInput) -> FsEditOutput:
    """Change parts of a file."""
    if bool(given.edits) == (given.diff is not None):
        raise ValidationFailed("edits", "or diff must be given, and not both")
    edited = await context.bench.files.edit(
        given.container,
        given.path,
        replacements=[Replacement(old=one.old, new=one.new, count=one.count or None) for one in given.edits],
        diff=given.diff,
        encoding=given.encoding,
        if_match=given.if_match,
        durable=given.durable,
        caller=context.caller,
    )
    return FsEditOutput(
        file=FileView.of(edited.info),
        before=edited.before,
        places=[EditedPlaceView(index=one.index, line=one.line, offset=one.offset) for one in edited.places],
        changes=edited.changes,
        attempts=edited.attempts,
    )


async def fs_move(context: ToolContext, given: FsMoveInput) -> FsMoveOutput:
    """Move or rename."""
    moved = await context.bench.files.move(
        given.container,
        given.path,
        given.to,
        overwrite=given.overwrite,
        if_match=given.if_match,
        if_match_to=given.if_match_to,
        parents=given.parents,
        caller=context.caller,
    )
    return FsMoveOutput(file=FileView.of(moved.info), replaced=moved.replaced)


async def fs_copy(context: ToolContext, given: FsCopyInput) -> FsCopyOutput:
    """Copy a file or a folder."""
    copied = await context.bench.files.copy(
        given.container,
        given.path,
        given.to,
        recursive=given.recursive,
        skip_special=given.skip_special,
        overwrite=given.overwrite,
        if_match=given.if_match,
        if_match_to=given.if_match_to,
        parents=given.parents,
        caller=context.caller,
    )
    return FsCopyOutput(
        file=FileView.of(copied.info),
        created=copied.created,
        entries=copied.entries,
        size_bytes=copied.size_bytes,
        skipped=copied.skipped,
    )


async def fs_mkdir(context: ToolContext, given: FsMkdirInput) -> FsMkdirOutput:
    """Make a folder."""
    info = await context.bench.files.mkdir(
        given.container,
        given.path,
        mode=None if given.mode is None else int(given.mode, 8),
        parents=given.parents,
        caller=context.caller,
    )
    return FsMkdirOutput(folder=FileView.of(info))


async def fs_chmod(context: ToolContext, given: FsChmodInput) -> FsChmodOutput:
    """Change permission bits."""
    done = await context.bench.files.chmod(
        given.container,
        given.path,
        int(given.mode, 8),
        recursive=given.recursive,
        if_match=given.if_match,
        caller=context.caller,
    )
    return FsChmodOutput(file=FileView.of(done.info), changed=done.changed)
