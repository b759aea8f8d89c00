"""Deleting whole folders, whatever hostile code has made of them.

Depth, length of paths and permissions do not matter: each folder is emptied through its descriptor, and folders in it
are first moved up, beside it, so that neither recursion nor a path grows. Symbolic links are never followed.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path

ASIDE_BYTES = 6
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def discard(path: Path, trash: Path) -> bool:
    """Make a folder vanish from its name at once, then delete it; blocking.

    Returns:
        Whether it was there.
    """
    aside = set_aside(path, trash)
    if aside is not None:
        empty(trash, only=aside.name)
    return aside is not None


def set_aside(path: Path, trash: Path) -> Path | None:
    """Make a folder vanish from its name at once; blocking.

    Returns:
        Where it is in the trash, None when it was not there.
    """
    aside = trash / f"{path.name}.{secrets.token_hex(ASIDE_BYTES)}"
    try:
        path.rename(aside)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return aside


def find_aside(name: str, trash: Path) -> list[Path]:
    """Return what lies in the trash of a folder that had this name; blocking."""
    pattern = re.compile(rf"{re.escape(name)}\.[0-9a-f]{{{2 * ASIDE_BYTES}}}")
    return [entry for entry in trash.iterdir() if pattern.fullmatch(entry.name)]


def empty(trash: Path, *, only: str = "") -> None:
    """Delete what lies in the trash (as far as names begin with ``only``), also what others left there; blocking."""
    root = os.open(trash, OPEN_FOLDER)
    try:
        while names := [name for name in _names(root) if name.startswith(only)]:
            for name in names:
                _delete(root, name, only)
    finally:
        os.close(root)


def _names(folder: int) -> list[str]:
    return os.listdir(folder)


def _delete(root: int, name: str, prefix: str) -> None:
    """Delete one entry; folders in it are moved up and left for the next round."""
    try:
        descriptor = _open_folder(root, name)
    except FileNotFoundError:
        return  # another process empties the trash, too
    if descriptor is None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=root)
        return
    try:
        for inner in _names(descriptor):
            with suppress(FileNotFoundError):
                _take_out(root, descriptor, inner, prefix)
    finally:
        os.close(descriptor)
    with suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=root)


def _open_folder(root: int, name: str) -> int | None:
    """Open a folder after giving its owner (us) all rights; None for what is none."""
    mode = os.stat(name, dir_fd=root, follow_symlinks=False).st_mode
    if not stat.S_ISDIR(mode):
        return None
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(name, 0o700, dir_fd=root)  # no link can have come in between: nothing runs in here any more
    return os.open(name, OPEN_FOLDER, dir_fd=root)


def _take_out(root: int, folder: int, name: str, prefix: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        if os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(name, 0o700, dir_fd=folder)  # moving a folder writes its ".."
        os.rename(name, f"{prefix or 'x.'}{secrets.token_hex(8)}", src_dir_fd=folder, dst_dir_fd=root)
