"""File systems that are small, and filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

MOUNT_S = 30.0
FILLER = "filler"
PIECE = 4096


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Generator[Path]:
    """Mount one of memory, of a size, at a new folder, while the block lasts; needs root."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, timeout=MOUNT_S)
    try:
        yield folder
    finally:
        # lazily: what a test left running may have files open there, and the memory goes with the last one
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=MOUNT_S)
        folder.rmdir()


@contextmanager
def filled(folder: Path) -> Generator[None]:
    """Leave no byte free on the file system of a folder while the block lasts."""
    filler = folder / FILLER
    try:
        with filler.open("wb") as file:
            while free := os.statvfs(folder).f_bavail * PIECE:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, free)
                except OSError:  # others took some of it meanwhile
                    break
        yield
    finally:
        filler.unlink(missing_ok=True)
