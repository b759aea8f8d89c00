"""The tools for files: their inputs and outputs, and the handlers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devbench_core.errors import ValidationFailed
from devbench_core.files.encodings import Errors, encoding_of
from devbench_core.model.file import FileContent
from devbench_core.model.link import LinkAction, LinkRequest
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import (
    BASE64_MAX_BYTES,
    TEXT_MAX_BYTES,
    ContainerArgument,
    EtagArgument,
    Input,
    PathArgument,
)
from devbench_core.tools.bytes_text import one_content, text_page, to_base64
from devbench_core.tools.file_views import FileView
from devbench_core.tools.fs_search import NOTES, CursorArgument, CursorResult, Patterns, notes
from devbench_core.tools.path_text import given_name, shown, shown_name

LIST_MAX = 500
AUTO, BASE64 = "auto", "base64"


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
    first_line: int | None = Field(
        default=None,
        description="Read lines, beginning with this one: from 1, or from the end when negative (-1 is the last).",
    )
    lines: int | None = Field(default=None, ge=1, description="How many lines; absent: all that follow.")
    encoding: str = Field(
        default="auto",
        min_length=1,
        max_length=40,
        description=(
            "auto: text when it is UTF-8, else base64. base64: the bytes. Or a name as utf-8, utf-16, latin-1, cp1252, "
            "shift_jis: text in it, refused with the position of what is none."
        ),
    )
    errors: Errors = Field(
        default="strict",
        description="With a named encoding: refuse what is no text, or make U+FFFD or \\xNN of it.",
    )


class FsReadOutput(ToolOutput):
    """Result of `fs_read`."""

    file: FileView = Field(description="The file; its etag belongs to exactly these bytes.")
    encoding: str = Field(
        description="base64: the content is in `base64`; else it is in `text`, and the file is in this encoding."
    )
    text: str | None = Field(default=None, description="The content as text.")
    base64: str | None = Field(default=None, description="The content as base64.")
    offset: int = Field(default=0, description="Where the content begins, in bytes.")
    next_offset: int | None = Field(
        default=None, description="Give it as `offset` to read on; absent when this was the end of the file."
    )
    first_line: int | None = Field(
        default=None,
        description="Number of the line that the content begins with, when lines were asked for.",
    )
    next_line: int | None = Field(
        default=None,
        description="Give it as `first_line` to read on; absent at the end, and in a line that was cut.",
    )
    truncated: bool = Field(default=False, description="Whether not all that was asked for fitted.")
    media_type_by_name: str = Field(default="", description="What the name's end says that it is.")
    media_type_by_content: str = Field(
        default="", description="What the first bytes say that it is; empty when they were not read."
    )
    url: str | None = Field(
        default=None,
        description=(
            "When the file goes on, over HTTP: an address to GET the whole of it from, for a few minutes and without "
            "a token."
        ),
    )

    @property
    def resource_links(self) -> tuple[str, ...]:
        """The address of the whole file."""
        return (self.url,) if self.url else ()


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
    append: bool = Field(
        default=False,
        description="Put the content behind what is there, or make the file; readers see all or nothing.",
    )
    durable: bool = Field(default=False, description="Return only when file and folder are on disk.")
    link: Literal["follow", "replace"] = Field(
        default="follow",
        description="What becomes of a link at the path: written through, or replaced by the file.",
    )


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
    follow: bool = Field(default=False, description="Tell what a link points to, not the link.")


class FsStatOutput(ToolOutput):
    """Result of `fs_stat`."""

    file: FileView = Field(description="What is at the path; of a link itself unless it is followed.")


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
    """Read a piece of a file, or lines of it."""
    content = await _content(context, given)
    text = content.text
    if text is None and given.encoding != BASE64:
        text = text_page(content.data, TEXT_MAX_BYTES, last=not content.truncated)
    used = len(content.data) if text is None or content.text is not None else len(text.encode())
    cut = used < len(content.data)
    more = cut or content.truncated
    return FsReadOutput(
        file=FileView.of(content.info),
        encoding=BASE64 if text is None else content.encoding or "utf-8",
        text=text,
        base64=to_base64(content.data) if text is None else None,
        offset=content.offset,
        next_offset=content.offset + used if cut else content.next_offset,
        first_line=content.first_line,
        next_line=None if cut else content.next_line,
        truncated=more,
        media_type_by_name=content.media.by_name,
        media_type_by_content=content.media.by_content,
        url=await _url(context, given, content) if more else None,
    )


async def _url(context: ToolContext, given: FsReadInput, content: FileContent) -> str | None:
    if context.links is None:
        return None
    container = await context.bench.containers.get(given.container, caller=context.caller)
    request = LinkRequest(action=LinkAction.DOWNLOAD, container_id=container.id, path=str(content.info.path))
    return context.links.make(request, context.caller).url


async def _content(context: ToolContext, given: FsReadInput) -> FileContent:
    codec = None if given.encoding in {AUTO, BASE64} else given.encoding
    by_lines = given.first_line is not None or given.lines is not None
    if by_lines and given.offset:
        raise ValidationFailed(
            "offset", "and first_line or lines exclude each other", hint="give one of them"
        )
    most = given.max_bytes
    if codec is not None:
        most = min(most, _text_bytes(codec, given.errors))
    if not by_lines:
        return await context.bench.files.read(
            given.container,
            given.path,
            offset=given.offset,
            max_bytes=most,
            encoding=codec,
            errors=given.errors,
            caller=context.caller,
        )
    return await context.bench.files.read_lines(
        given.container,
        given.path,
        first=1 if given.first_line is None else given.first_line,
        count=given.lines,
        max_bytes=most if given.encoding == BASE64 else min(most, TEXT_MAX_BYTES),
        encoding=codec,
        errors=given.errors,
        caller=context.caller,
    )


def _text_bytes(codec: str, errors: Errors) -> int:
    """Return how many bytes may be read as text: those of other encodings can become four times as many."""
    return (
        TEXT_MAX_BYTES if errors == "strict" and encoding_of(codec).name == "utf-8" else TEXT_MAX_BYTES // 4
    )


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
        append=given.append,
        durable=given.durable,
        replace_link=given.link == "replace",
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
        given.container, given.path, after=_last(given.after), limit=given.limit, caller=context.caller
    )
    entries = [FileView.of(info) for info in listing.entries]
    return FsListOutput(entries=entries, cursor=shown_name(listing.cursor))


def _last(cursor: str) -> str:
    try:
        return given_name(cursor)
    except ValueError as error:
        raise ValidationFailed(
            "after", f"{error}", hint="give the cursor of the page before, unchanged"
        ) from error


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
    info = await context.bench.files.stat(
        given.container, given.path, follow=given.follow, caller=context.caller
    )
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
    return FsDeleteOutput(path=shown(given.path))
