"""One entry of an archive, as it claims to be."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from enum import Enum

import attrs

from devbench_core.errors import ArchiveRefused

SHOWN_MAX = 200


class EntryType(Enum):
    """What an entry makes."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    HARD_LINK = "hard link"


@attrs.frozen(kw_only=True, eq=False)
class Entry:
    """One entry.

    Attributes:
        name: As the archive has it.
        type: What it is.
        mode: Permission bits and set-id bits.
        mtime_ns: When it was changed; None when the archive does not say.
        size: Bytes of content.
        target: Of a link, or the name that a hard link shares its content with.
        content: The content, in pieces; to be read before the next entry is asked for, or not at all.
    """

    name: bytes
    type: EntryType
    mode: int
    mtime_ns: int | None
    size: int = 0
    target: bytes = b""
    content: AsyncIterator[bytes] | None = attrs.field(default=None, repr=False)


def shown(name: bytes) -> str:
    """Return a name for people."""
    text = os.fsdecode(name).encode("utf-8", "replace").decode()
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…"


def refused(reason: str, text: str, *, entry: bytes | None = None, hint: str = "") -> ArchiveRefused:
    """Return the error for an archive that is not taken."""
    details: dict[str, object] = {"reason": reason}
    if entry is not None:
        details["entry"] = shown(entry)
        text = f"entry {shown(entry)!r} {text}"
    return ArchiveRefused(text, hint=hint, details=details)


def damaged(text: str, *, entry: bytes | None = None) -> ArchiveRefused:
    """Return the error for bytes that are no such archive, or not all of one."""
    return refused(
        "damaged", text, entry=entry, hint="make the archive anew, or check that `format` is right"
    )
