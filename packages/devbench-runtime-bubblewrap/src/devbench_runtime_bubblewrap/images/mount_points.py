"""Making sure that a container's own mounts find their places in an imported root, which is read-only later."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from devbench_core.contracts.runtime import AGENT_FOLDER, SOCKET_FOLDER
from devbench_core.model.container import WORKSPACE

FOLDERS = ("proc", "dev", "tmp", WORKSPACE.name, AGENT_FOLDER.name, SOCKET_FOLDER.name, "etc")
FILES = ("etc/hosts", "etc/hostname", "etc/resolv.conf")


def provide_mount_points(root: Path) -> None:
    """Make each place a plain folder or file; a link in its place is replaced, so no mount can be led astray."""
    for name in FOLDERS:
        path = root / name
        if not _is(path, stat.S_IFDIR):
            _clear(path)
            path.mkdir()
        if name != "etc":
            path.chmod(0o755)
    for name in FILES:
        path = root / name
        if not _is(path, stat.S_IFREG):
            _clear(path)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))


def _is(path: Path, kind: int) -> bool:
    try:
        return stat.S_IFMT(path.lstat().st_mode) == kind
    except FileNotFoundError:
        return False


def _clear(path: Path) -> None:
    if _is(path, stat.S_IFDIR):
        path.rmdir()  # a folder where a file must be: only an empty one can give way
        return
    with suppress(FileNotFoundError):
        path.unlink()
