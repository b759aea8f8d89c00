"""The engine's own calls for files, as streams: what a program does that copies with Docker directly."""

from __future__ import annotations

import asyncio
import tarfile
from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

CHUNK = 1_048_576


class RawArchives:
    """Archive calls on one container of an engine that listens on a Unix socket.

    Args:
        host: The engine.
        container: Its id.
    """

    def __init__(self, host: str, container: str) -> None:
        self._socket = urlsplit(host).path
        self._container = container

    async def put(self, folder: str, pieces: AsyncIterator[bytes]) -> None:
        """Unpack a tar in a folder."""
        reader, writer = await asyncio.open_unix_connection(self._socket)
        writer.write(self._head("PUT", folder) + b"Transfer-Encoding: chunked\r\n\r\n")
        async for piece in pieces:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        status = await reader.readline()
        if b" 200 " not in status:
            raise AssertionError(status)
        writer.close()

    async def get(self, path: str) -> int:
        """Read a tar of a path; return its size."""
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=2 * CHUNK)
        writer.write(self._head("GET", path) + b"\r\n")
        status = await reader.readline()
        if b" 200 " not in status:
            raise AssertionError(status)
        while (await reader.readline()).strip():
            pass
        size = 0
        while piece := await reader.read(CHUNK):
            size += len(piece)
        writer.close()
        return size

    def _head(self, method: str, path: str) -> bytes:
        target = f"/v1.41/containers/{self._container}/archive?path={quote(path)}"
        return f"{method} {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n".encode()


async def tar_of_one(name: str, size: int, piece: bytes) -> AsyncIterator[bytes]:
    """A tar with one large file."""
    info = tarfile.TarInfo(name)
    info.size = size
    yield info.tobuf()
    for _ in range(size // len(piece)):
        yield piece
    yield bytes(-size % 512 + 1024)


async def tar_of_many(count: int, data: bytes) -> AsyncIterator[bytes]:
    """A tar with many small files."""
    for number in range(count):
        info = tarfile.TarInfo(f"raw/d{number % 20}/f{number}")
        info.size = len(data)
        yield info.tobuf() + data + bytes(-len(data) % 512)
    yield bytes(1024)
