"""A zip as a stream: sizes and checksums follow each content, and the list is at the end."""

from __future__ import annotations

import asyncio
import stat
import struct
import zlib
from datetime import UTC, datetime
from typing import Final

from devbench_core.archives.entry import EntryType
from devbench_core.archives.writer import THREAD_BYTES, Head

DEFLATED, STORED = 8, 0
LEVEL: Final = 6
UNIX_45: Final = 3 << 8 | 45
NEEDS_45: Final = 45
FOLLOWS, UTF8 = 0x8, 0x800
FULL16, FULL32 = 0xFFFF, 0xFFFF_FFFF
FIRST_YEAR, LAST_YEAR = 1980, 2107
KINDS = {EntryType.FILE: stat.S_IFREG, EntryType.FOLDER: stat.S_IFDIR, EntryType.LINK: stat.S_IFLNK}


class ZipWriter:
    """Writes one zip."""

    def __init__(self) -> None:
        self._listing = bytearray()
        self._count = 0
        self._at = 0
        self._begun = 0
        self._head: Head | None = None
        self._inner: zlib._Compress | None = None  # pyright: ignore[reportPrivateUsage] - it has no other name
        self._crc = self._size = self._packed = 0

    async def begin(self, head: Head) -> bytes:
        """Begin an entry; a link's content is its target."""
        self._begun, self._head = self._at, head
        self._crc = self._size = self._packed = 0
        self._inner = zlib.compressobj(LEVEL, zlib.DEFLATED, -15) if head.type is EntryType.FILE else None
        name = _name(head)
        method = DEFLATED if self._inner else STORED
        local = struct.pack(
            "<4s5H3L2H",
            b"PK\3\4",
            NEEDS_45,
            _flags(name),
            method,
            *_time(head),
            0,
            FULL32,
            FULL32,
            len(name),
            20,
        )
        out = self._out(local + name + struct.pack("<2H2Q", 1, 16, 0, 0))
        return out + await self.content(head.target) if head.type is EntryType.LINK else out

    async def content(self, data: bytes) -> bytes:
        """Add content."""
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        return self._pack(await self._deflate(data))

    async def end(self) -> bytes:
        """End the entry, and note it for the list."""
        assert self._head is not None  # noqa: S101 - for the type checker
        out = self._pack(self._inner.flush()) if self._inner else b""
        out += self._out(struct.pack("<4sL2Q", b"PK\7\10", self._crc, self._packed, self._size))
        name = _name(self._head)
        extra = struct.pack("<2H3Q", 1, 24, self._size, self._packed, self._begun)
        kind = KINDS[self._head.type] | self._head.mode & 0o777
        attributes = kind << 16 | (0x10 if self._head.type is EntryType.FOLDER else 0)
        method = DEFLATED if self._inner else STORED
        self._listing += struct.pack(
            "<4s6H3L5H2L",
            b"PK\1\2",
            UNIX_45,
            NEEDS_45,
            _flags(name),
            method,
            *_time(self._head),
            self._crc,
            FULL32,
            FULL32,
            len(name),
            len(extra),
            0,
            0,
            0,
            attributes,
            FULL32,
        )
        self._listing += name + extra
        self._count += 1
        return out

    async def finish(self) -> bytes:
        """Give the list and the end, in the form for large archives."""
        begun, size = self._at, len(self._listing)
        out = self._out(bytes(self._listing))
        end64 = self._at
        out += self._out(
            struct.pack(
                "<4sQ2H2L4Q", b"PK\6\6", 44, UNIX_45, NEEDS_45, 0, 0, self._count, self._count, size, begun
            )
        )
        out += self._out(struct.pack("<4sLQL", b"PK\6\7", 0, end64, 1))
        return out + self._out(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, FULL16, FULL16, FULL32, FULL32, 0))

    async def _deflate(self, data: bytes) -> bytes:
        if self._inner is None:
            return data
        if len(data) < THREAD_BYTES:
            return self._inner.compress(data)
        return await asyncio.to_thread(self._inner.compress, data)

    def _pack(self, data: bytes) -> bytes:
        self._packed += len(data)
        return self._out(data)

    def _out(self, data: bytes) -> bytes:
        self._at += len(data)
        return data


def _name(head: Head) -> bytes:
    return head.name + b"/" if head.type is EntryType.FOLDER else head.name


def _flags(name: bytes) -> int:
    try:
        name.decode()
    except UnicodeDecodeError:
        return FOLLOWS
    return FOLLOWS | UTF8


def _time(head: Head) -> tuple[int, int]:
    """Their clock has no zone: UTC is written."""
    when = datetime.fromtimestamp(max(0, min(head.mtime_ns // 1_000_000_000, 2**32)), UTC)
    year = max(FIRST_YEAR, min(when.year, LAST_YEAR))
    return when.hour << 11 | when.minute << 5 | when.second // 2, (
        year - FIRST_YEAR
    ) << 9 | when.month << 5 | when.day
