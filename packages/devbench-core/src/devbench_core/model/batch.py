"""Changes of files that happen together."""

from __future__ import annotations

from pathlib import PurePosixPath

import attrs

from devbench_core.model.file import FileInfo
from devbench_core.model.filechange import Replacement
from devbench_core.values import frozen

__all__ = [
    "BatchDelete",
    "BatchEdit",
    "BatchMkdir",
    "BatchMove",
    "BatchOperation",
    "BatchOutcome",
    "BatchPath",
    "BatchWrite",
]

BatchPath = str | PurePosixPath


@frozen
class BatchWrite:
    """Write a whole file, as `Files.write` does."""

    path: BatchPath
    data: bytes = attrs.field(repr=False)
    if_match: str | None = None
    if_none_match: bool = False
    mode: int | None = None
    parents: bool = False


@frozen
class BatchDelete:
    """Delete a file, a link, or a folder."""

    path: BatchPath
    recursive: bool = False
    if_match: str | None = None


@frozen
class BatchMove:
    """Give a file, link or folder another name.

    Attributes:
        path: What.
        target: Its new path.
        replace: Take the place of a file that is there; else the target must be free.
        if_match: Only if the file's etag is this.
        parents: Make missing folders above the target.
    """

    path: BatchPath
    target: BatchPath
    replace: bool = False
    if_match: str | None = None
    parents: bool = False


@frozen
class BatchMkdir:
    """Make a folder; with ``parents`` also those above, and one that is there already is fine."""

    path: BatchPath
    parents: bool = False


@frozen
class BatchEdit:
    """Change parts of a file, as `Files.edit` does, as it stands before the batch.

    No earlier operation of the batch may be about the same path, or about a folder above it.
    """

    path: BatchPath
    replacements: tuple[Replacement, ...] = ()
    diff: str | None = None
    encoding: str = "utf-8"
    if_match: str | None = None


BatchOperation = BatchWrite | BatchEdit | BatchDelete | BatchMove | BatchMkdir


@frozen
class BatchOutcome:
    """What became of one operation.

    Attributes:
        info: What is at its path (of a move: at the target) after the batch; None after a deletion.
        created: Whether a write or a mkdir made something that was not there.
    """

    info: FileInfo | None
    created: bool = False
