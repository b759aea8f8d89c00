"""What a root file system consists of, whether it comes as a tar or as a folder."""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import IO

from devbench_core.errors import ValidationFailed
from devbench_core.values import frozen

SHOWN = 200  # characters of a foreign name in a message


BROKEN = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)
"""What reading an archive raises that is cut off or damaged, beside OSError."""


class Kind(StrEnum):
    """What is made of an entry; devices, pipes and sockets are left out."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    SAME = "same"  # another name of a file that came before


@frozen
class Entry:
    """One entry.

    Attributes:
        kind: What it is.
        parts: Where it goes, beneath the root; none of them is "", "." or "..".
        mode: Permission bits, without set-user-id and the like.
        target: Where a link points.
        same: For `Kind.SAME` the parts of the other name.
        open: Opens the content of a file.
    """

    kind: Kind
    parts: tuple[str, ...]
    mode: int = 0o755
    target: str = ""
    same: tuple[str, ...] = ()
    open: Callable[[], AbstractContextManager[IO[bytes]]] | None = None


def checked_parts(name: str) -> tuple[str, ...]:
    """Return the parts of a name in an archive; none for the root itself.

    Raises:
        ValidationFailed: It is absolute or leads outside.
    """
    if name.startswith("/") or "\0" in name:
        raise ValidationFailed("source", f"holds the absolute or broken name {name[:SHOWN]!r}")
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    if ".." in parts:
        raise ValidationFailed("source", f"holds a name that leads outside: {name[:SHOWN]!r}")
    return parts


def tar_entries(path: Path) -> Iterator[Entry]:
    """Yield the entries of a tar, compressed or not; blocking.

    Raises:
        ValidationFailed: It is no tar, or a hostile one.
    """
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                entry = _from_member(archive, member)
                if entry is not None:
                    yield entry
    except BROKEN as error:
        raise ValidationFailed("source", f"{path} cannot be read as a tar: {error}") from error


def _from_member(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry | None:
    parts, mode = checked_parts(member.name), member.mode & 0o777
    if not parts:
        return None
    if member.isdir():
        return Entry(kind=Kind.FOLDER, parts=parts, mode=mode)
    if member.issym():
        return Entry(kind=Kind.LINK, parts=parts, target=member.linkname)
    if member.islnk():
        return Entry(kind=Kind.SAME, parts=parts, same=checked_parts(member.linkname))
    if member.isfile():
        return Entry(kind=Kind.FILE, parts=parts, mode=mode, open=lambda: _content(archive, member))
    return None


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    if content is None:
        raise ValidationFailed("source", f"holds a file without content: {member.name[:SHOWN]!r}")
    return content


def folder_entries(root: Path, *, skip_unreadable: bool = False) -> Iterator[Entry]:
    """Yield the entries of a folder, of its own file system only, in the order of their names; blocking."""
    device = root.stat().st_dev
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        here = waiting.pop()
        with os.scandir(root.joinpath(*here)) as found:
            children = sorted(found, key=lambda child: child.name)
        for child in children:
            parts = (*here, child.name)
            entry = single_entry(Path(child.path), parts, device)
            hidden = skip_unreadable and not child.is_symlink() and not os.access(child.path, os.R_OK)
            if entry is not None and not hidden:
                yield entry
                if entry.kind is Kind.FOLDER:
                    waiting.append(parts)


def single_entry(path: Path, parts: tuple[str, ...], device: int | None = None) -> Entry | None:
    """Return what is at a path, None for what is left out (also by being on another device); blocking."""
    info = path.lstat()
    mode = info.st_mode & 0o777
    if stat.S_ISLNK(info.st_mode):
        return Entry(kind=Kind.LINK, parts=parts, target=str(path.readlink()))
    if device is not None and info.st_dev != device:
        return None
    if stat.S_ISDIR(info.st_mode):
        return Entry(kind=Kind.FOLDER, parts=parts, mode=mode)
    if stat.S_ISREG(info.st_mode):
        return Entry(kind=Kind.FILE, parts=parts, mode=mode, open=lambda: path.open("rb"))
    return None
