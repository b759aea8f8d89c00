"""A byte stream over a Unix socket that the host can reach."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from devbench_core.channel.duplex import Duplex
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable

CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7))
SUN_PATH_MAX = 107  # bytes of a path in sockaddr_un, without the closing NUL (unix(7))


class UnixStream:
    """A connected socket as a `ByteStream`."""

    def __init__(self, duplex: Duplex) -> None:
        self._duplex = duplex

    @classmethod
    async def of(cls, connection: socket.socket) -> UnixStream:
        """Take a connected socket over; it is closed when that fails."""
        try:
            _, duplex = await asyncio.get_running_loop().create_unix_connection(Duplex, sock=connection)
        except BaseException:
            connection.close()
            raise
        return cls(duplex)

    async def read(self) -> bytes:
        """Return the next bytes, ``b""`` at the end."""
        try:
            return await self._duplex.read()
        except OSError as error:
            raise broken(error) from error

    async def write(self, data: bytes) -> None:
        """Send all bytes, waiting while the other side is slow."""
        try:
            await self._duplex.write(data)
        except OSError as error:
            raise broken(error) from error

    async def close(self) -> None:
        """Close the socket at once; what was not sent is dropped."""
        self._duplex.abort()


class OtherListener(Exception):
    """Another process listens on a socket than the one that should."""


async def open_checked(place: int, pid: int) -> UnixStream:
    """Connect to the socket that a descriptor names, and ask the kernel who listens before a byte is sent.

    The descriptor (``O_PATH``) pins the socket, so nobody can put another one in its place meanwhile, and frees its
    path from the 108 bytes of a socket's address.

    Args:
        place: The descriptor; stays open.
        pid: Who must listen, by its number on this machine.

    Raises:
        OSError: Nobody listens there, or it is no socket.
        OtherListener: Somebody else listens there.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, f"/proc/self/fd/{place}")
        _check_listener(connection, pid)
        return await UnixStream.of(connection)
    except BaseException:
        connection.close()
        raise


def _check_listener(connection: socket.socket, pid: int) -> None:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    if CREDENTIALS.unpack(credentials)[0] != pid:
        raise OtherListener


def broken(error: Exception) -> AgentUnavailable:
    """Return the error for a connection that broke."""
    return AgentUnavailable(f"the connection to the agent broke: {error}", hint="try again")


async def open_unix(path: Path) -> UnixStream:
    """Connect to a Unix socket, also where its path is longer than a socket address can hold.

    Raises:
        AgentUnavailable: Nothing listens there.
    """
    try:
        return await UnixStream.of(await _connect(path))
    except OSError as error:
        raise AgentUnavailable(
            f"no agent answers at {path}: {error.strerror or error}", hint="the container may have ended"
        ) from error


async def _connect(path: Path) -> socket.socket:
    """Connect, reaching a long path through the descriptor of its folder."""
    folder = -1
    address = str(path)
    try:
        if len(os.fsencode(path)) > SUN_PATH_MAX:
            flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
            folder = os.open(path.parent, flags)  # blocks: no more than looking up a local path
            address = f"/proc/self/fd/{folder}/{path.name}"
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, address)
        except BaseException:
            connection.close()
            raise
        return connection
    finally:
        if folder >= 0:
            os.close(folder)


if TYPE_CHECKING:
    _: type[ByteStream] = UnixStream
