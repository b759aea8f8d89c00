"""Small tar archives, built and read in memory.

They end with their end marker, without the usual filling up to 10 KiB: Podman's reader stops at the marker, and Podman
fails when it then cannot get rid of the rest.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable

FOLDER_MODE = 0o755


def folders(names: Iterable[str], uid: int, gid: int) -> bytes:
    """Return a tar of empty folders that belong to a user."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, FOLDER_MODE, uid, gid
            archive.addfile(entry)
    return buffer.getvalue()[: archive.offset]


def program(name: str, data: bytes, mode: int) -> bytes:
    """Return a tar of one file that belongs to root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), mode
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()[: archive.offset]


def only_file(tar: bytes) -> tuple[bytes, int]:
    """Return content and mode of the one regular file in a tar; ``b""`` and 0 when it is something else."""
    try:
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            entry = archive.next()
            stream = archive.extractfile(entry) if entry is not None and entry.isreg() else None
            return (stream.read(), entry.mode) if entry is not None and stream is not None else (b"", 0)
    except tarfile.TarError:
        return b"", 0
