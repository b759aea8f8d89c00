"""Files of a workspace."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath

import attrs


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
        truncated: Whether the file goes on after ``data``.
    """

    info: FileInfo
    data: bytes
    offset: int = 0
    truncated: bool = False


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
