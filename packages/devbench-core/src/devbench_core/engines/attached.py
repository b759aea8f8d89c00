"""A process's standard streams on one connection: multiplexed stdout and stderr one way, stdin the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from devbench_core.contracts.stream import ByteStream
from devbench_core.engines.upgrade import READ_BYTES, Connection
from devbench_core.errors import AgentUnavailable

HEADER_BYTES = 8
STDOUT = 1
STDERR = 2
DIAGNOSTIC_MAX_BYTES = 4096


class Demultiplexer:
    """Strips the headers ``stream u8, zero[3], length u32`` wherever the pieces are cut.

    Attributes:
        diagnostic: The last of what came on stderr, bounded.
    """

    def __init__(self) -> None:
        self.diagnostic = b""
        self._header = b""
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next piece and return what of it is stdout.

        Raises:
            ValueError: It is not framed so.
        """
        view = memoryview(data)
        found: list[memoryview] = []
        while view:
            if self._left == 0:
                view = self._take_header(view)
                continue
            piece, view = view[: self._left], view[self._left :]
            self._left -= len(piece)
            if self._stream == STDOUT:
                found.append(piece)
            else:
                self.diagnostic = (self.diagnostic + bytes(piece))[-DIAGNOSTIC_MAX_BYTES:]
        return b"".join(found)

    def _take_header(self, view: memoryview) -> memoryview:
        wanted = HEADER_BYTES - len(self._header)
        self._header += bytes(view[:wanted])
        if len(self._header) == HEADER_BYTES:
            self._stream = self._header[0]
            if self._stream not in (STDOUT, STDERR) or self._header[1:4] != b"\0\0\0":
                raise ValueError(f"no stream has the number {self._stream}")
            self._left = int.from_bytes(self._header[4:], "big")
            self._header = b""
        return view[wanted:]


class AttachedStream:
    """A process's standard streams as a `ByteStream`."""

    def __init__(self, connection: Connection) -> None:
        self._reader = connection.reader
        self._writer = connection.writer
        self._demultiplexer = Demultiplexer()
        self._ahead = b""
        self._closed = False

    @property
    def diagnostic(self) -> str:
        """The last of what the process wrote to its stderr."""
        return self._demultiplexer.diagnostic.decode(errors="replace").strip()

    @property
    def is_broken(self) -> bool:
        """Whether the connection is known to be gone; bytes that came before may still be read."""
        return self._closed or self._writer.is_closing()

    async def await_first(self) -> bool:
        """Wait for the first bytes, which `read` then returns; False when the stream ended without any."""
        if not self._ahead:
            self._ahead = await self._next()
        return bool(self._ahead)

    async def read(self) -> bytes:
        """Return the next bytes of stdout, ``b""`` at the end."""
        ahead, self._ahead = self._ahead, b""
        return ahead or await self._next()

    async def _next(self) -> bytes:
        try:
            while data := await self._reader.read(READ_BYTES):
                out = self._demultiplexer.feed(data)
                if out:
                    return out
        except (OSError, ValueError) as error:
            raise self._broken(error) from error
        return b""

    async def write(self, data: bytes) -> None:
        """Send all bytes to stdin, waiting while the process is slow."""
        if self.is_broken:
            raise self._broken(ConnectionError("it is closed"))
        try:
            self._writer.write(data)
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise self._broken(error) from error

    async def close(self) -> None:
        """Close at once: the process gets the end of its stdin."""
        self.abort()
        await asyncio.sleep(0)  # lets the transport close its socket

    def abort(self) -> None:
        """Close without waiting for anything."""
        self._closed = True
        self._writer.transport.abort()

    def _broken(self, error: Exception) -> AgentUnavailable:
        said = f"; the agent said: {self.diagnostic}" if self.diagnostic else ""
        return AgentUnavailable(f"the connection to the agent broke: {error}{said}", hint="try again")


if TYPE_CHECKING:
    _: type[ByteStream] = AttachedStream
