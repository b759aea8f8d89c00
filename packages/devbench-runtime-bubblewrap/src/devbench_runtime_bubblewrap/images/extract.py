"""Making a root file system of entries, without ever following a link in it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import attrs

from devbench_core.errors import TooLarge, ValidationFailed
from devbench_runtime_bubblewrap.folders import NO_SPACE
from devbench_runtime_bubblewrap.images.entries import BROKEN, SHOWN, Entry, Kind

BLOCK_BYTES = 1024 * 1024
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
ELF_HEAD_BYTES = 20
ELF_MACHINES = {62: "amd64", 183: "arm64"}


@attrs.define(kw_only=True)
class Extraction:
    """What came of it.

    Attributes:
        digest: Of all names, kinds, modes and contents, in their order.
        size_bytes: Content of all files.
        entries: How many.
        architecture: Of the first program found, "" when there is none.
    """

    digest: str = ""
    size_bytes: int = 0
    entries: int = 0
    architecture: str = ""


class Extractor:
    """Extracts into one empty folder; blocking."""

    def __init__(self, root: Path, *, max_bytes: int, max_entries: int) -> None:
        self._root = os.open(root, FOLDER)
        self._limits = (max_bytes, max_entries)
        self._hash = hashlib.sha256()
        self._parent: tuple[tuple[str, ...], int] | None = None
        self._found = Extraction()

    def run(self, entries: Iterable[Entry]) -> Extraction:
        """Make all entries.

        Raises:
            ValidationFailed: One would leave the root or cannot be made.
            TooLarge: There are too many, or too many bytes.
            OSError: There is no space left.
        """
        try:
            for entry in entries:
                self._one(entry)
        finally:
            self._forget_parent()
            os.close(self._root)
        self._found.digest = self._hash.hexdigest()
        return self._found

    def _one(self, entry: Entry) -> None:
        self._found.entries += 1
        if self._found.entries > self._limits[1]:
            raise TooLarge(f"the image has more than {self._limits[1]} entries", hint="see image_max_entries")
        head = (entry.kind, "/".join(entry.parts), oct(entry.mode), entry.target, "/".join(entry.same))
        self._hash.update("\0".join(head).encode(errors="surrogateescape") + b"\0\0")
        try:
            self._make(entry)
        except (OSError, ValueError, *BROKEN) as error:
            if isinstance(error, OSError) and error.errno in NO_SPACE:
                raise  # no fault of the source
            name = "/".join(entry.parts)[:SHOWN]
            why = getattr(error, "strerror", None) or str(error)
            raise ValidationFailed("source", f"{name!r} cannot be made: {why}") from error

    def _make(self, entry: Entry) -> None:
        parent, name = self._folder(entry.parts[:-1]), entry.parts[-1]
        if entry.kind is Kind.FOLDER:
            self._make_folder(parent, name, entry.mode)
            return
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
        if entry.kind is Kind.LINK:
            os.symlink(entry.target, name, dir_fd=parent)
        elif entry.kind is Kind.SAME:
            self._link(entry.same, parent, name)
        else:
            self._make_file(entry, parent, name)

    def _make_folder(self, parent: int, name: str, mode: int) -> None:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
        descriptor = os.open(name, FOLDER, dir_fd=parent)
        try:
            os.fchmod(descriptor, mode | 0o700)
        finally:
            os.close(descriptor)

    def _link(self, same: tuple[str, ...], parent: int, name: str) -> None:
        if not same:
            raise ValueError("a link to nothing")
        folder = os.dup(parent)
        try:
            source = self._folder(same[:-1])
            if not stat.S_ISREG(os.stat(same[-1], dir_fd=source, follow_symlinks=False).st_mode):
                raise ValueError("a link to what is no file")
            os.link(same[-1], name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(folder)

    def _make_file(self, entry: Entry, parent: int, name: str) -> None:
        descriptor = os.open(name, NEW_FILE, 0o600, dir_fd=parent)
        with os.fdopen(descriptor, "wb") as target:
            if entry.open is not None:
                with entry.open() as source:
                    while block := source.read(BLOCK_BYTES):
                        self._count(block, entry)
                        target.write(block)
            os.fchmod(descriptor, entry.mode | 0o400)

    def _count(self, block: bytes, entry: Entry) -> None:
        self._found.size_bytes += len(block)
        if self._found.size_bytes > self._limits[0]:
            raise TooLarge(f"the image has more than {self._limits[0]} bytes", hint="see image_max_bytes")
        self._hash.update(block)
        if not self._found.architecture and entry.mode & 0o111 and block[:4] == b"\x7fELF":
            machine = int.from_bytes(block[18:ELF_HEAD_BYTES], "little")
            self._found.architecture = ELF_MACHINES.get(machine, f"elf-{machine}")

    def _folder(self, parts: tuple[str, ...]) -> int:
        """Return a descriptor of a folder in the root, made when it is missing; the last one is remembered."""
        if self._parent is not None and self._parent[0] == parts:
            return self._parent[1]
        here = os.dup(self._root)
        for part in parts:
            try:
                with suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=here)
                below = os.open(part, FOLDER, dir_fd=here)
            finally:
                os.close(here)
            here = below
        self._forget_parent()
        self._parent = (parts, here)
        return here

    def _forget_parent(self) -> None:
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None
