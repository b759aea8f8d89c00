"""What writes archives has in common."""

from __future__ import annotations

import asyncio
import sys
import zlib
from typing import Protocol

from devbench_core.archives.entry import EntryType
from devbench_core.model.archive import ArchiveFormat
from devbench_core.values import frozen

if sys.version_info >= (3, 14):  # checked against 3.11, which does not have it
    from compression import zstd  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
else:
    from backports import zstd

GZIP = 31
LEVEL_GZIP, LEVEL_ZSTD = 6, 3
THREAD_BYTES = 16_384  # from here on a thread compresses: less is done before a thread would begin


@frozen
class Head:
    """What is said of an entry before its content.

    Attributes:
        name: Without a slash at its end.
        type: What it is.
        mode: Permission bits.
        mtime_ns: When it was changed.
        size: Bytes of content.
        target: Of a link.
    """

    name: bytes
    type: EntryType
    mode: int
    mtime_ns: int
    size: int = 0
    target: bytes = b""


class Writer(Protocol):
    """Writes one archive; what each call gives is to be sent in this order."""

    async def begin(self, head: Head) -> bytes:
        """Begin an entry; as many bytes of content as it says must follow."""
        ...

    async def content(self, data: bytes) -> bytes:
        """Add content."""
        ...

    async def end(self) -> bytes:
        """End the entry."""
        ...

    async def finish(self) -> bytes:
        """End the archive."""
        ...


class Compressor:
    """Compression of a whole stream, or none.

    Args:
        format_: How.
    """

    def __init__(self, format_: ArchiveFormat) -> None:
        self._inner = (
            zlib.compressobj(LEVEL_GZIP, zlib.DEFLATED, GZIP)
            if format_ is ArchiveFormat.TAR_GZ
            else zstd.ZstdCompressor(LEVEL_ZSTD)
            if format_ is ArchiveFormat.TAR_ZST
            else None
        )

    async def feed(self, data: bytes) -> bytes:
        """Return what is ready."""
        if self._inner is None or not data:
            return data
        if len(data) < THREAD_BYTES:
            return self._inner.compress(data)
        return await asyncio.to_thread(self._inner.compress, data)

    def flush(self) -> bytes:
        """Return the rest."""
        return b"" if self._inner is None else self._inner.flush()
