"""Reaching the agent of a container through a folder of this machine, and nobody else.

The socket's folder belongs to the container's user, so hostile code can put a link or a socket of its own there.
Therefore the socket is opened first without following links and connected through that descriptor (which also frees its
path from the 108 bytes of a socket's address), and the kernel is asked who listens before a byte is sent.
"""

from __future__ import annotations

import os
from pathlib import Path

from devbench_core.channel.unix import OtherListener, open_checked
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable

__all__ = ["NotListening", "dial"]


class NotListening(AgentUnavailable):
    """Nobody answers there, yet or any more."""


async def dial(socket: Path, pid: int) -> ByteStream:
    """Connect to the agent.

    Args:
        socket: Where it listens; nobody but this machine can change the folders on the way.
        pid: PID 1 of the container, by its number on this machine.

    Raises:
        NotListening: There is no socket, or it refuses.
        AgentUnavailable: Somebody else listens there.
    """
    try:
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        place = os.open(socket, flags)  # blocks: no more than looking up a local path
    except OSError as error:
        raise NotListening(str(error)) from error
    try:
        return await open_checked(place, pid)
    except OSError as error:
        raise NotListening(str(error)) from error
    except OtherListener as error:
        raise AgentUnavailable(
            f"not the agent listens at {socket}, but another process",
            hint="a program in the container took its place; kill the container",
        ) from error
    finally:
        os.close(place)
