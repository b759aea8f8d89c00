"""Archives of folders."""

from __future__ import annotations

from enum import StrEnum

from devbench_core.values import frozen

__all__ = ["ArchiveFormat", "Imported", "SetId"]


class ArchiveFormat(StrEnum):
    """How an archive is written."""

    TAR = "tar"
    TAR_GZ = "tar.gz"
    TAR_ZST = "tar.zst"
    ZIP = "zip"


class SetId(StrEnum):
    """What an import does with set-user-id, set-group-id and sticky bits."""

    DROP = "drop"
    REFUSE = "refuse"


@frozen
class Imported:
    """What an import brought.

    Attributes:
        entries: Entries of the archive.
        files: Files among them.
        folders: Folders among them.
        links: Symbolic links among them.
        size_bytes: Content in all.
    """

    entries: int
    files: int
    folders: int
    links: int
    size_bytes: int
