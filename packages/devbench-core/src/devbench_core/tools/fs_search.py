"""The tools that search a workspace: names by patterns, and text in files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from devbench_core.model.file import GrepMode, GrepPage, SearchScope
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import ContainerArgument, Input, PathArgument
from devbench_core.tools.file_views import FileView
from devbench_core.tools.grep_text import cut_lines, grep_text, shown_path
from devbench_core.tools.views import View

GLOB_MAX = 500
PATTERNS_MAX = 64
GREP_MAX = 500
GREP_PAGE_BYTES = 48 * 1024
"""Of text in one result: it travels twice, and JSON escapes it."""
LINE_MAX = 1000
CONTEXT_MAX = 20

Patterns = Annotated[list[str], Field(max_length=PATTERNS_MAX)]
CursorArgument = Annotated[
    str, Field(max_length=16_384, description="The `cursor` of the page before; empty for the first page.")
]
CursorResult = Annotated[
    str, Field(description="Give it as `after` for the next page; empty when there are no more.")
]
NOTES = "What had to be left out, one sentence each; empty when nothing was."


class FsGlobInput(Input):
    """Arguments of `fs_glob`."""

    container: ContainerArgument
    pattern: str = Field(
        min_length=1,
        max_length=1024,
        description="For example `*.py` (directly in the folder), `**/*.py` (anywhere beneath), `src/**/*.{ts,tsx}`.",
    )
    path: PathArgument = "."
    exclude: Patterns = Field(
        default=[],
        description="Names (`node_modules`) or relative paths (`docs/**`) to leave out, with all beneath them.",
    )
    hidden: bool = Field(default=True, description="Also names that begin with a dot, and what is in them.")
    gitignore: bool = Field(
        default=False, description="Leave out what .gitignore files say, and .git itself."
    )
    after: CursorArgument = ""
    limit: int = Field(default=200, ge=1, le=GLOB_MAX, description="The most entries in one page.")


class FsGlobOutput(ToolOutput):
    """Result of `fs_glob`."""

    entries: list[FileView] = Field(description="What matches; a folder before what is in it.")
    cursor: CursorResult = ""
    notes: list[str] = Field(default=[], description=NOTES)


async def fs_glob(context: ToolContext, given: FsGlobInput) -> FsGlobOutput:
    """Find files by a pattern."""
    page = await context.bench.files.glob(
        given.container,
        given.pattern,
        given.path,
        exclude=given.exclude,
        hidden=given.hidden,
        gitignore=given.gitignore,
        after=given.after,
        limit=given.limit,
        caller=context.caller,
    )
    return FsGlobOutput(
        entries=[FileView.of(info) for info in page.entries], cursor=page.cursor, notes=notes(page.scope)
    )


class FsGrepInput(Input):
    """Arguments of `fs_grep`."""

    container: ContainerArgument
    pattern: str = Field(
        min_length=1,
        max_length=4096,
        description=(
            "Regular expression, looked for in each line by itself: as Python's, without look-around and "
            "back-references. Or plain text with `literal`."
        ),
    )
    path: PathArgument = "."
    literal: bool = Field(default=False, description="The pattern is text; nothing in it is special.")
    ignore_case: bool = Field(default=False, description="Of ASCII letters.")
    word: bool = Field(default=False, description="Only whole words.")
    mode: Literal["lines", "names", "counts"] = Field(
        default="lines", description="Lines; only the names of files; or how many lines match in each file."
    )
    context_before: int = Field(
        default=0, ge=0, le=CONTEXT_MAX, description="Lines to show before each match."
    )
    context_after: int = Field(default=0, ge=0, le=CONTEXT_MAX, description="Lines to show after each match.")
    include: Patterns = Field(
        default=[],
        description="Only files whose name (`*.py`) or relative path (`src/**`) one of these matches.",
    )
    exclude: Patterns = Field(
        default=[], description="Not these names (`node_modules`) or relative paths, nor anything beneath."
    )
    hidden: bool = Field(default=True, description="Also names that begin with a dot, and what is in them.")
    gitignore: bool = Field(
        default=False, description="Leave out what .gitignore files say, and .git itself."
    )
    line_bytes: int = Field(
        default=300, ge=20, le=LINE_MAX, description="The most to show of a line; what is cut ends in …"
    )
    after: CursorArgument = ""
    limit: int = Field(
        default=100, ge=1, le=GREP_MAX, description="The most matching lines (or files) in one page."
    )


class GrepFileView(View):
    """A file with matches."""

    path: str = Field(description="Absolute path in the container.")
    etag: str = Field(
        default="",
        description="Belongs to the lines shown; empty when the file changed while it was searched.",
    )
    matches: int = Field(description="Matching lines in this page; of `names` 1 stands for one or more.")


class FsGrepOutput(ToolOutput):
    """Result of `fs_grep`."""

    text: str = Field(
        description=(
            "As grep shows it: `path:line:text` for a match, `path-line-text` for a line around one, `--` between "
            "groups; `path` for names, `path:count` for counts. Paths are relative to the workspace."
        )
    )
    files: list[GrepFileView] = Field(description="The files with matches in this page, and their etags.")
    matches: int = Field(description="Matching lines (of the other modes: files) in this page.")
    searched: int = Field(description="Files that were searched for this page.")
    cursor: str = Field(
        default="",
        description="Give it as `after` to go on after the last match; empty when everything was searched.",
    )
    notes: list[str] = Field(default=[], description=NOTES)


async def fs_grep(context: ToolContext, given: FsGrepInput) -> FsGrepOutput:
    """Search in files."""
    page = await context.bench.files.grep(
        given.container,
        given.pattern,
        given.path,
        literal=given.literal,
        ignore_case=given.ignore_case,
        word=given.word,
        mode=GrepMode(given.mode),
        context_before=given.context_before,
        context_after=given.context_after,
        include=given.include,
        exclude=given.exclude,
        hidden=given.hidden,
        gitignore=given.gitignore,
        after=given.after,
        limit=given.limit,
        line_bytes=given.line_bytes,
        page_bytes=GREP_PAGE_BYTES,
        caller=context.caller,
    )
    lines = given.mode == "lines"
    return FsGrepOutput(
        text=grep_text(page, given.mode),
        files=[
            GrepFileView(
                path=shown_path(file.info),
                etag=file.info.etag,
                matches=sum(line.column is not None for line in file.lines) if lines else file.count,
            )
            for file in page.files
        ],
        matches=page.matches if lines else len(page.files),
        searched=page.searched,
        cursor=page.cursor,
        notes=[*_grep_notes(page, given), *notes(page.scope)],
    )


def _grep_notes(page: GrepPage, given: FsGrepInput) -> list[str]:
    said: list[str] = []
    if page.cursor:
        said.append("There may be more: call again with `cursor` as `after`, or narrow the search.")
    if cut := cut_lines(page):
        said.append(f"{cut} lines were cut to {given.line_bytes} bytes (…); raise line_bytes or use fs_read.")
    if page.binary:
        said.append(f"{page.binary} binary files were not searched.")
    if page.too_large:
        said.append(f"{page.too_large} files are too large and were not searched.")
    return said


def notes(scope: SearchScope) -> list[str]:
    """Say what a search had to leave out."""
    said = {
        "folders or files could not be read.": scope.unreadable,
        "folders or files lie deeper than a search goes.": scope.too_deep,
        ".gitignore files are too large and were not heeded.": scope.ignore_files_left_out,
    }
    return [f"{count} {text}" for text, count in said.items() if count]
