"""Reaching the agent of a container, and nobody else.

The socket's folder belongs to the container's user, so hostile code can put a link or a socket of its own there.
Therefore the socket is opened first without following links and connected through that descriptor (which also frees its
path from the 108 bytes of a socket's address), and the kernel is asked who listens before a byte is sent.
"""

from __future__ import annotations

import os

from devbench_core.channel.unix import OtherListener, UnixStream, open_checked
from devbench_core.errors import AgentUnavailable
from devbench_runtime_bubblewrap.folders import ContainerFolder


class NotListening(Exception):
    """Nobody answers there, yet or any more."""


async def dial(folder: ContainerFolder, pid: int) -> UnixStream:
    """Connect to the agent.

    Args:
        folder: The container.
        pid: Its PID 1, by its number on this machine.

    Raises:
        NotListening: There is no socket, or it refuses.
        AgentUnavailable: Somebody else listens there.
    """
    try:
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        place = os.open(folder.socket, flags)  # blocks: no more than looking up a local path
    except OSError as error:
        raise NotListening(str(error)) from error
    try:
        return await open_checked(place, pid)
    except OSError as error:
        raise NotListening(str(error)) from error
    except OtherListener as error:
        raise AgentUnavailable(
            f"not the agent listens on the socket of container {folder.path.name!r}, but another process",
            hint="a program in the container took its place; kill the container",
            details={"container": folder.path.name},
        ) from error
    finally:
        os.close(place)
