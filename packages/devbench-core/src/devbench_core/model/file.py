"""Files of a workspace."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath

import attrs

from devbench_core.model.media import UNKNOWN, MediaType


class FileType(StrEnum):
    """What is at a path."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"


@attrs.frozen(kw_only=True)
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


@attrs.frozen(kw_only=True)
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


@attrs.frozen(kw_only=True)
class FileWritten:
    """What a write gives: the new state, and whether the file is new."""

    info: FileInfo
    created: bool


@attrs.frozen(kw_only=True)
class FileListing:
    """A page of a folder.

    Attributes:
        entries: Sorted by name.
        cursor: Give this to the next call; "" when this was the last page.
    """

    entries: tuple[FileInfo, ...]
    cursor: str = ""
