"""The tools for files: their inputs and outputs, and the handlers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devbench_core.errors import ValidationFailed
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import (
    BASE64_MAX_BYTES,
    TEXT_MAX_BYTES,
    ContainerArgument,
    EtagArgument,
    Input,
    PathArgument,
)
from devbench_core.tools.bytes_text import as_text, cut_edges, one_content, to_base64
from devbench_core.tools.fs_search import NOTES, CursorArgument, CursorResult, Patterns, notes
from devbench_core.tools.views import FileView

LIST_MAX = 500


class FsReadInput(Input):
    """Arguments of `fs_read`."""

    container: ContainerArgument
    path: PathArgument
    offset: int = Field(
        default=0, ge=0, description="Byte to begin at; give the `next_offset` of the last read to go on."
    )
    max_bytes: int = Field(
        default=TEXT_MAX_BYTES,
        ge=4,
        le=BASE64_MAX_BYTES,
        description=f"The most bytes to return; text is cut at {TEXT_MAX_BYTES} bytes in any case.",
    )
    encoding: Literal["auto", "utf-8", "base64"] = Field(
        default="auto",
        description=(
            "auto: text when it is UTF-8, else base64. utf-8: text, refused when it is none. base64: the bytes."
        ),
    )


class FsReadOutput(ToolOutput):
    """Result of `fs_read`."""

    file: FileView = Field(description="The file; its etag belongs to exactly these bytes.")
    encoding: Literal["utf-8", "base64"] = Field(
        description="Which of `text` and `base64` holds the content."
    )
    text: str | None = Field(default=None, description="The content as text.")
    base64: str | None = Field(default=None, description="The content as base64.")
    offset: int = Field(default=0, description="Where the content begins, in bytes.")
    next_offset: int | None = Field(
        default=None, description="Give it as `offset` to read on; absent when this was the end of the file."
    )


class FsWriteInput(Input):
    """Arguments of `fs_write`."""

    container: ContainerArgument
    path: PathArgument
    text: str | None = Field(
        default=None, description="The whole new content as text. Give this or `base64`."
    )
    base64: str | None = Field(
        default=None, description="The whole new content as base64, for bytes that are no text."
    )
    if_match: EtagArgument = None
    create_only: bool = Field(
        default=False, description="Refuse with `file_conflict` when something is already at the path."
    )
    mode: str | None = Field(
        default=None,
        pattern=r"^[0-7]{3,4}$",
        description="Permission bits in octal, for example 755; absent keeps them, 644 for a new file.",
    )
    parents: bool = Field(default=True, description="Make missing folders above the file.")


class FsWriteOutput(ToolOutput):
    """Result of `fs_write`."""

    file: FileView = Field(description="The file as written; keep its etag for the next conditional write.")
    created: bool = Field(description="Whether the file is new.")


class FsListInput(Input):
    """Arguments of `fs_list`."""

    container: ContainerArgument
    path: PathArgument = "."
    recursive: bool = Field(default=False, description="Also what is in the folders beneath.")
    depth: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="How many levels; 2 is the folder and those in it. Makes it recursive.",
    )
    hidden: bool = Field(default=True, description="Also names that begin with a dot, and what is in them.")
    gitignore: bool = Field(
        default=False, description="Leave out what .gitignore files say, and .git itself."
    )
    include: Patterns = Field(
        default=[], description="Only names (`*.py`) or relative paths (`src/**`) that one of these matches."
    )
    exclude: Patterns = Field(default=[], description="Not these, nor anything beneath such a folder.")
    after: CursorArgument = ""
    limit: int = Field(default=200, ge=1, le=LIST_MAX, description="The most entries in one page.")


class FsListOutput(ToolOutput):
    """Result of `fs_list`."""

    entries: list[FileView] = Field(
        description="What is in the folder, sorted by name; of a recursive listing each folder before what is in it."
    )
    cursor: CursorResult = ""
    notes: list[str] = Field(default=[], description=NOTES)


class FsStatInput(Input):
    """Arguments of `fs_stat`."""

    container: ContainerArgument
    path: PathArgument


class FsStatOutput(ToolOutput):
    """Result of `fs_stat`."""

    file: FileView = Field(description="What is at the path; a link itself, not what it points to.")


class FsDeleteInput(Input):
    """Arguments of `fs_delete`."""

    container: ContainerArgument
    path: PathArgument
    recursive: bool = Field(default=False, description="Needed to delete a folder that is not empty.")
    if_match: EtagArgument = None


class FsDeleteOutput(ToolOutput):
    """Result of `fs_delete`."""

    path: str = Field(description="What was deleted, as it was given.")


async def fs_read(context: ToolContext, given: FsReadInput) -> FsReadOutput:
    """Read a piece of a file."""
    most = min(given.max_bytes, TEXT_MAX_BYTES) if given.encoding == "utf-8" else given.max_bytes
    content = await context.bench.files.read(
        given.container, given.path, offset=given.offset, max_bytes=most, caller=context.caller
    )
    text = None if given.encoding == "base64" else _text(content.data, last=not content.truncated)
    if text is None and given.encoding == "utf-8":
        raise ValidationFailed(
            "encoding",
            f"{given.path!r} is no UTF-8 text from byte {given.offset}",
            hint="read it with encoding auto or base64",
        )
    used = len(content.data) if text is None else len(text.encode())
    more = content.truncated or used < len(content.data)
    return FsReadOutput(
        file=FileView.of(content.info),
        encoding="base64" if text is None else "utf-8",
        text=text,
        base64=to_base64(content.data) if text is None else None,
        offset=content.offset,
        next_offset=content.offset + used if more else None,
    )


def _text(data: bytes, *, last: bool) -> str | None:
    """Return as much as one result may hold as text, never half a character; None when it is no text."""
    page = data[:TEXT_MAX_BYTES]
    if last and len(page) == len(data):
        return as_text(page)
    _, _, fragment = cut_edges(page)
    return as_text(page[: len(page) - len(fragment)])


async def fs_write(context: ToolContext, given: FsWriteInput) -> FsWriteOutput:
    """Write a whole file."""
    data = one_content("text", given.text, "base64", given.base64)
    if data is None:
        raise ValidationFailed(
            "text", "is missing", hint="give the content as text or as base64; '' for empty"
        )
    if given.create_only and given.if_match is not None:
        raise ValidationFailed("create_only", "and if_match exclude each other", hint="give one of them")
    written = await context.bench.files.write(
        given.container,
        given.path,
        data,
        if_match=given.if_match,
        if_none_match=given.create_only,
        mode=None if given.mode is None else int(given.mode, 8),
        parents=given.parents,
        caller=context.caller,
    )
    return FsWriteOutput(file=FileView.of(written.info), created=written.created)


async def fs_list(context: ToolContext, given: FsListInput) -> FsListOutput:
    """List a page of a folder, or of the tree beneath it."""
    if (
        given.recursive
        or given.depth
        or given.include
        or given.exclude
        or given.gitignore
        or not given.hidden
    ):
        return await _tree(context, given)
    listing = await context.bench.files.list(
        given.container, given.path, after=given.after, limit=given.limit, caller=context.caller
    )
    return FsListOutput(entries=[FileView.of(info) for info in listing.entries], cursor=listing.cursor)


async def _tree(context: ToolContext, given: FsListInput) -> FsListOutput:
    page = await context.bench.files.find(
        given.container,
        given.path,
        include=given.include,
        exclude=given.exclude,
        depth=given.depth if given.depth or given.recursive else 1,
        hidden=given.hidden,
        gitignore=given.gitignore,
        after=given.after,
        limit=given.limit,
        caller=context.caller,
    )
    return FsListOutput(
        entries=[FileView.of(info) for info in page.entries], cursor=page.cursor, notes=notes(page.scope)
    )


async def fs_stat(context: ToolContext, given: FsStatInput) -> FsStatOutput:
    """Tell what is at a path."""
    info = await context.bench.files.stat(given.container, given.path, caller=context.caller)
    return FsStatOutput(file=FileView.of(info))


async def fs_delete(context: ToolContext, given: FsDeleteInput) -> FsDeleteOutput:
    """Delete a file or folder."""
    await context.bench.files.delete(
        given.container,
        given.path,
        recursive=given.recursive,
        if_match=given.if_match,
        caller=context.caller,
    )
    return FsDeleteOutput(path=given.path)
