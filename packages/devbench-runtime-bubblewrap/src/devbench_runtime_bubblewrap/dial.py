"""Reaching the agent of a container, and nobody else.

The socket's folder belongs to the container's user, so hostile code can put a link or a socket of its own there.
Therefore the socket is opened first without following links and connected through that descriptor (which also frees its
path from the 108 bytes of a socket's address), and the kernel is asked who listens before a byte is sent.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct

from devbench_core.channel.unix import READ_BYTES, UnixStream
from devbench_core.errors import AgentUnavailable
from devbench_runtime_bubblewrap.folders import ContainerFolder

CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


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
    connection = await _connect(folder)
    try:
        _check_listener(connection, folder, pid)
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=READ_BYTES)
    except BaseException:
        connection.close()
        raise
    return UnixStream(reader, writer)


def _check_listener(connection: socket.socket, folder: ContainerFolder, pid: int) -> None:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    if CREDENTIALS.unpack(credentials)[0] != pid:
        raise AgentUnavailable(
            f"not the agent listens on the socket of container {folder.path.name!r}, but another process",
            hint="a program in the container took its place; kill the container",
            details={"container": folder.path.name},
        )


async def _connect(folder: ContainerFolder) -> socket.socket:
    try:
        flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
        place = os.open(folder.socket, flags)  # blocks: no more than looking up a local path
    except OSError as error:
        raise NotListening(str(error)) from error
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, f"/proc/self/fd/{place}")
    except OSError as error:
        connection.close()
        raise NotListening(str(error)) from error
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(place)
    return connection
