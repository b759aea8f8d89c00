"""The tools that search a workspace: names by patterns, and text in files."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from devbench_core.model.file import SearchScope
from devbench_core.tool import ToolContext, ToolOutput
from devbench_core.tools.base import ContainerArgument, Input, PathArgument
from devbench_core.tools.views import FileView

GLOB_MAX = 500
PATTERNS_MAX = 64

Patterns = Annotated[list[str], Field(max_length=PATTERNS_MAX)]
CursorArgument = Annotated[
    str, Field(max_length=16_384, description="The `cursor` of the page before; empty for the first page.")
]
CursorResult = Annotated[
    str, Field(description="Give it as `after` for the next page; empty when there are no more.")
]
NotesResult = Annotated[
    list[str], Field(description="What had to be left out, one sentence each; empty when nothing was.")
]


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
    gitignore: bool = Field(default=False, description="Leave out what .gitignore files say, and .git itself.")
    after: CursorArgument = ""
    limit: int = Field(default=200, ge=1, le=GLOB_MAX, description="The most entries in one page.")


class FsGlobOutput(ToolOutput):
    """Result of `fs_glob`."""

    entries: list[FileView] = Field(description="What matches; a folder before what is in it.")
    cursor: CursorResult = ""
    notes: NotesResult = []


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


def notes(scope: SearchScope) -> list[str]:
    """Say what a search had to leave out."""
    said = {
        "may not be read": scope.unreadable,
        "lie deeper than a search goes": scope.too_deep,
        ".gitignore files are too large and were not heeded": scope.ignore_files_left_out,
    }
    return [f"{count} {text}" for text, count in said.items() if count]
