"""Changes of files, as a watch tells them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

from devbench_core.model.file import FileType
from devbench_core.values import frozen

__all__ = ["ChangeKind", "FileChange", "FileChanges"]


class ChangeKind(StrEnum):
    """What happened to a path."""

    CREATED = "created"
    MODIFIED = "modified"
    DELETED = "deleted"
    MOVED = "moved"


@frozen
class FileChange:
    """One change.

    Attributes:
        kind: What happened; ``modified`` is of content, mode, owner or times, or a replacement by another file.
        path: Absolute, beneath the workspace; of a move where it is now.
        type: ``directory`` or ``file``; whatever is no directory counts as a file.
        origin: Of a move where it was, else None.
    """

    kind: ChangeKind
    path: PurePosixPath
    type: FileType
    origin: PurePosixPath | None = None


@frozen
class FileChanges:
    """What changed since a cursor.

    Attributes:
        changes: In the order in which they happened; empty when nothing did within the wait.
        cursor: Give this to the next call.
        rescan: Changes were missed (the cursor is too old, there were too many, or the agent started anew): look at
            the folder as a whole, and go on from this cursor.
        partial: The tree has more folders than can be watched; some are not.
    """

    changes: tuple[FileChange, ...]
    cursor: str
    rescan: bool = False
    partial: bool = False
