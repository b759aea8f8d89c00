"""The image ``host``: this machine's own programs, read-only, and an /etc with nothing secret in it."""

from __future__ import annotations

from pathlib import Path

from devbench_core.values import frozen
from devbench_runtime_bubblewrap.sandbox.arguments import Arguments

TOP_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
EMPTY_FOLDERS = ("/var", "/run", "/home", "/opt")


@frozen
class HostRoot:
    """What of this machine is shown, found once.

    Attributes:
        mounts: Folders, each shown read-only at its own path.
        links: Symbolic links at the top, name and target.
    """

    mounts: tuple[Path, ...]
    links: tuple[tuple[str, str], ...]


def find_host_root() -> HostRoot:
    """Look at this machine; blocking."""
    tops = [Path("/") / name for name in TOP_FOLDERS]
    links = [path for path in tops if path.is_symlink()]
    folders = [path for path in tops if path.is_dir() and path not in links]
    return HostRoot(
        mounts=(Path("/usr"), *folders),
        links=tuple((str(path), str(path.readlink())) for path in links),
    )


def show_host_root(arguments: Arguments, root: HostRoot, etc: Path) -> None:
    """Add the mounts of the image ``host``, with a folder that is shown as /etc."""
    for path in root.mounts:
        arguments.add("--ro-bind", str(path), str(path))
    for name, target in root.links:
        arguments.add("--symlink", target, name)
    for folder in EMPTY_FOLDERS:
        arguments.add("--dir", folder)
    arguments.add("--symlink", "/tmp", "/var/tmp", "--symlink", "/run", "/var/run")  # noqa: S108  (in the container)
    arguments.add("--ro-bind", str(etc), "/etc")
