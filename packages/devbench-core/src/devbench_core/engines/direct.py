"""The short way to an agent: its own socket, where this process may enter the container's file system.

That is where the engine runs on this machine and this process is root. A stream through the engine costs each frame
two more processes that must wake up (measured in the decision record), and a new one costs as much as an exec.

The container is hostile, and so may be its image: a link in it that begins with a slash would lead root to a place
of this machine. No link is followed on the way, and the kernel is asked whether PID 1 listens. That the process is
PID 1 of this very container is told by its control group, which names the container: where this process lives in
another PID namespace than the engine, the number means somebody else.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath

from devbench_core.channel.unix import OtherListener, UnixStream, open_checked
from devbench_core.contracts.runtime import SOCKET_PATH
from devbench_core.logs import get_logger

log = get_logger(__name__)
CGROUP_MAX_BYTES = 65_536
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
FOLDER_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
SOCKET_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Forbidden(Exception):
    """This process may not look into containers; it will not be allowed later either."""


async def reach(container: str, pid: int, path: PurePosixPath | None = None) -> UnixStream | None:
    """Connect to the socket of an agent in a container; None where that cannot be done, for whatever reason.

    Args:
        container: The engine's whole id.
        pid: The agent's process, as the engine counts.
        path: Of the socket, None for that of PID 1.

    Raises:
        Forbidden: This process has not the rights.
    """
    place = _find(
        container, pid, path or SOCKET_PATH
    )  # blocks: no more than looking up names in /proc and in memory
    if place is None:
        return None
    try:
        return await open_checked(place, pid)
    except OtherListener:
        log.warning("engine.another_listener", container=container)
    except OSError as error:
        log.debug("engine.no_direct_way", container=container, error=str(error))
    finally:
        os.close(place)
    return None


def _find(container: str, pid: int, path: PurePosixPath) -> int | None:
    """Return a descriptor of the socket; the process's folder is held meanwhile, so its number stays its own."""
    try:
        process = os.open(f"/proc/{pid}", DIRECTORY)
    except OSError:
        return None
    try:
        if container.encode() not in _read(process, "cgroup"):
            return None
        return _walk(process, path)
    except PermissionError as error:
        raise Forbidden from error
    except OSError:
        return None
    finally:
        os.close(process)


def _walk(process: int, path: PurePosixPath) -> int:
    """Return a descriptor of the socket. The only link on the way is the kernel's own, ``root``."""
    folder = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=process)
    try:
        for name in path.parent.parts[1:]:
            above, folder = folder, os.open(name, FOLDER_FLAGS, dir_fd=folder)
            os.close(above)
        return os.open(path.name, SOCKET_FLAGS, dir_fd=folder)
    finally:
        os.close(folder)


def _read(folder: int, name: str) -> bytes:
    file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    try:
        return os.read(file, CGROUP_MAX_BYTES)
    finally:
        os.close(file)
