"""Files through one way of resolving paths, and a look at all that lies in a real folder."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterator
from pathlib import Path

import attrs

from devbench_core.errors import DevbenchError, FileFailed
from devbench_core.files import Files
from harness.agent_host import CONTAINER_ID
from harness.farm import Refused, plain

WAYS: dict[str, tuple[str, ...]] = {"kernel": (), "by hand": ("--no-openat2", "--no-renameat2")}


@attrs.frozen(kw_only=True)
class Bench:
    """Files through one way of resolving.

    Attributes:
        files: The use case.
        workspace: The real folder.
        root: What paths in it begin with when it is no workspace but another root.
    """

    files: Files
    workspace: Path
    root: str = ""

    def path(self, path: str) -> str:
        """Return the path in the root of what a path in the workspace is; what leads out stays as it is."""
        if not self.root:
            return path
        try:
            return "/".join([self.root, *plain(path)])
        except Refused:
            return path if path.startswith("/") else f"{self.root}/{path}"

    def named(self, path: str) -> str:
        """Return what a path names beneath the root: one that is absolute may leave its root and name it again."""
        if not self.root or path.startswith("/"):
            return path
        back = posixpath.relpath(posixpath.normpath(f"{self.root}/{path}"), self.root)
        left = posixpath.normpath(path).startswith("..") and not back.startswith("..")
        return back if left else path

    async def outcome(self, operation: str, path: str) -> str:
        """Do it, and return "ok", the error's code, or the reason when the file system refused."""
        calls = {
            "read": lambda: self.files.read(CONTAINER_ID, path),
            "stat": lambda: self.files.stat(CONTAINER_ID, path),
            "list": lambda: self.files.list(CONTAINER_ID, path),
            "write": lambda: self.files.write(CONTAINER_ID, path, b"written"),
            "delete": lambda: self.files.delete(CONTAINER_ID, path),
            "mkdir": lambda: self.files.mkdir(CONTAINER_ID, path),
        }
        try:
            await calls[operation]()
        except FileFailed as error:
            return str(error.details["reason"])
        except DevbenchError as error:
            return error.code
        return "ok"

    def empty(self) -> None:
        """Remove all that is in the workspace."""
        for entry in self.workspace.iterdir():
            if not entry.is_symlink() and entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def everything(folder: Path) -> dict[bytes, tuple[int, ...]]:
    """Return what is beneath a folder, with all that a change would change."""
    return dict(_beneath(os.fsencode(folder)))


def _beneath(folder: bytes) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    for entry in os.scandir(folder):
        st = entry.stat(follow_symlinks=False)
        mtime = 0 if entry.is_dir(follow_symlinks=False) else st.st_mtime_ns
        yield entry.path, (st.st_ino, st.st_mode, st.st_size if mtime else 0, mtime, st.st_nlink, st.st_uid)
        if entry.is_dir(follow_symlinks=False):
            yield from _beneath(entry.path)
