"""Files of a workspace."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath

from devbench_core.model.media import UNKNOWN, MediaType
from devbench_core.values import frozen

__all__ = [
    "FileContent",
    "FileInfo",
    "FileListing",
    "FileType",
    "FileWritten",
    "FoundPage",
    "GrepFile",
    "GrepLine",
    "GrepMode",
    "GrepPage",
    "SearchScope",
]


class FileType(StrEnum):
    """What is at a path."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"


@frozen
class FileInfo:
    """What stat tells.

    Attributes:
        path: Absolute, beneath the workspace.
        type: What it is.
        size_bytes: Size of the content.
        mode: Permission bits (``0o644``).
        modified_at: UTC.
        uid: Owner as the container sees it.
        gid: Group as the container sees it.
        etag: The same string from every operation; changes with any change of a file. "" for what is no file.
        target: Where a symlink points, "" otherwise.
    """

    path: PurePosixPath
    type: FileType
    size_bytes: int
    mode: int
    modified_at: datetime
    uid: int
    gid: int
    etag: str
    target: str = ""


@frozen
class FileContent:
    """What a read gives.

    Attributes:
        info: Of the file that was read; its etag belongs to exactly these bytes.
        data: The bytes from ``offset``.
        offset: Where ``data`` begins.
        truncated: Whether there is more of what was asked for than ``data``: of the file, or of its lines.
        next_offset: Where to go on in bytes, None at the end of the file.
        text: What ``data`` is in ``encoding``; None when no encoding was given.
        encoding: Python's own name of the encoding, "" without one.
        first_line: Number of the line that ``data`` begins with, from 1; None when lines were not asked for, or when
            they were from the end and too far from the beginning to be counted.
        next_line: Number of the line to go on with, None as above, at the end, and within a line that is longer than
            what may be returned: then ``next_offset`` goes on.
        media: What the file seems to be.
    """

    info: FileInfo
    data: bytes
    offset: int = 0
    truncated: bool = False
    next_offset: int | None = None
    text: str | None = None
    encoding: str = ""
    first_line: int | None = None
    next_line: int | None = None
    media: MediaType = UNKNOWN


@frozen
class FileWritten:
    """What a write gives: the new state, and whether the file is new."""

    info: FileInfo
    created: bool


@frozen
class FileListing:
    """A page of a folder.

    Attributes:
        entries: Sorted by name.
        cursor: Give this to the next call; "" when this was the last page.
    """

    entries: tuple[FileInfo, ...]
    cursor: str = ""


@frozen
class SearchScope:
    """What a page of a search looked at, and what it had to leave out.

    Attributes:
        looked_at: Files and folders.
        unreadable: Folders (and of a search in files: files) that may not be read.
        too_deep: Folders deeper than the agent goes (64 levels), and paths longer than it gives.
        ignore_files_left_out: ``.gitignore`` files that are too large to be heeded.
    """

    looked_at: int
    unreadable: int = 0
    too_deep: int = 0
    ignore_files_left_out: int = 0


@frozen
class FoundPage:
    """A page of a tree.

    Attributes:
        root: The folder that was asked for.
        entries: A folder before what is in it, names by their bytes.
        cursor: Give this to the next call; "" when this was the last page. A page may be empty and have one: it looked
            at ``files.search_max_looked`` entries.
        scope: What was looked at.
    """

    root: PurePosixPath
    entries: tuple[FileInfo, ...]
    cursor: str
    scope: SearchScope


class GrepMode(StrEnum):
    """What a search in files gives."""

    LINES = "lines"
    NAMES = "names"
    COUNTS = "counts"


@frozen
class GrepLine:
    """A line of a file, found or shown around one that was found.

    Attributes:
        number: From 1.
        offset: Where the line begins in the file, in bytes.
        column: Where the first match begins in the line, in bytes from 1; None of a line that is only shown.
        text: The line without its line feed, or a part of it.
        text_at: Where ``text`` begins in the line, in bytes.
        cut_before: Whether the line begins before ``text``.
        cut_after: Whether it goes on after it.
    """

    number: int
    offset: int
    column: int | None
    text: bytes
    text_at: int = 0
    cut_before: bool = False
    cut_after: bool = False


@frozen
class GrepFile:
    """A file with matches.

    Attributes:
        info: Its etag belongs to these lines; "" when the file changed while it was searched.
        lines: In the file's order, each once; empty unless lines were asked for.
        count: How many lines match; 0 unless counts were asked for.
    """

    info: FileInfo
    lines: tuple[GrepLine, ...] = ()
    count: int = 0


@frozen
class GrepPage:
    """A page of a search in files.

    Attributes:
        root: What was searched.
        files: Those with matches, in the order of the tree.
        cursor: Give this to the next call, which goes on after the last match; "" when all was searched.
        scope: What was looked at.
        searched: Files that were searched.
        binary: Files of these that are no text (a NUL byte in the first 8 KiB) and were left out.
        too_large: Files that were left out for their size.
    """

    root: PurePosixPath
    files: tuple[GrepFile, ...]
    cursor: str
    scope: SearchScope
    searched: int
    binary: int
    too_large: int

    @property
    def matches(self) -> int:
        """How many lines were found."""
        return sum(line.column is not None for file in self.files for line in file.lines)
