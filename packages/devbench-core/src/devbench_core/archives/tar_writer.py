"""A tar as a stream: ustar, and pax where that does not do."""

from __future__ import annotations

import os
import tarfile
from typing import Final

from devbench_core.archives.entry import EntryType
from devbench_core.archives.writer import Compressor, Head
from devbench_core.model.archive import ArchiveFormat

BLOCK: Final = 512
RECORD: Final = 10_240
NS: Final = 1_000_000_000
TYPES = {
    EntryType.FILE: tarfile.REGTYPE,
    EntryType.FOLDER: tarfile.DIRTYPE,
    EntryType.LINK: tarfile.SYMTYPE,
}


class TarWriter:
    """Writes one tar.

    Args:
        format_: How it is compressed.
    """

    def __init__(self, format_: ArchiveFormat) -> None:
        self._compressor = Compressor(format_)
        self._size = 0
        self._written = 0

    async def begin(self, head: Head) -> bytes:
        """Begin an entry."""
        info = tarfile.TarInfo(os.fsdecode(head.name))
        info.type = TYPES[head.type]
        info.mode = head.mode & 0o777
        whole = head.mtime_ns // NS
        # A fraction of a second needs an extended header of 1 KiB: worth it, since an import keeps it.
        info.mtime = whole
        if head.mtime_ns % NS and head.mtime_ns > 0:
            info.pax_headers = {"mtime": f"{whole}.{head.mtime_ns % NS:09}"}
        info.size = self._size = head.size
        info.linkname = os.fsdecode(head.target)
        return await self._out(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))

    async def content(self, data: bytes) -> bytes:
        """Add content."""
        return await self._out(data)

    async def end(self) -> bytes:
        """End the entry."""
        return await self._out(bytes(-self._size % BLOCK))

    async def finish(self) -> bytes:
        """End the archive."""
        end = 2 * BLOCK
        end += -(self._written + end) % RECORD
        return await self._out(bytes(end)) + self._compressor.flush()

    async def _out(self, data: bytes) -> bytes:
        self._written += len(data)
        return await self._compressor.feed(data)
