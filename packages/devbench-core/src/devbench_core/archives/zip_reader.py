"""A zip in a file: its directory is at its end, so it is read from there. Only what is common is taken."""

from __future__ import annotations

import asyncio
import stat
import struct
import zlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import BinaryIO, Final

from devbench_core.archives.decompress import OUT_BYTES, Budget
from devbench_core.archives.entry import Entry, EntryType, damaged, refused
from devbench_core.values import frozen

END: Final = struct.Struct("<4s4H2LH")
END64_LOCATOR: Final = struct.Struct("<4sLQL")
END64: Final = struct.Struct("<4sQ2H2L4Q")
CENTRAL: Final = struct.Struct("<4s6H3L5H2L")
LOCAL: Final = struct.Struct("<4s5H3L2H")
COMMENT_MAX: Final = 65_535
CHUNK: Final = 65_536
STORED, DEFLATED = 0, 8
ENCRYPTED = 1
UNIX, DARWIN = 3, 19
FULL32 = 0xFFFF_FFFF
LINK_MAX_BYTES = 4_095
MODE_FILE, MODE_FOLDER = 0o644, 0o755


@frozen
class Directory:
    """Where the list of entries is."""

    offset: int
    size: int
    count: int


@frozen
class Listed:
    """One entry of the list."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int
    mtime_ns: int | None


class ZipReader:
    """Reads one zip.

    Args:
        file: The whole archive; read in threads.
        size: Its size.
        budget: What may come out.
    """

    def __init__(self, file: BinaryIO, size: int, budget: Budget) -> None:
        self._file = file
        self._size = size
        self._budget = budget
        self._claimed = 0

    async def entries(self) -> AsyncIterator[Entry]:
        """Give the entries in the list's order.

        Raises:
            ArchiveRefused: It is damaged, or holds what cannot be taken.
            TooLarge: Too much comes out of it.
        """
        directory = await self._directory()
        self._budget.take(self._size)
        at, end = directory.offset, directory.offset + directory.size
        buffer = b""
        for _ in range(directory.count):
            if len(buffer) < CENTRAL.size + 3 * COMMENT_MAX and at + len(buffer) < end:
                buffer += await self._read(at + len(buffer), min(4 * CHUNK, end - at - len(buffer)))
            listed, used = _listed(buffer)
            buffer, at = buffer[used:], at + used
            yield await self._entry(listed)
        if at != end:
            raise damaged("the zip's list is longer than it says")

    async def _read(self, at: int, size: int) -> bytes:
        def work() -> bytes:
            self._file.seek(at)
            return self._file.read(size)

        return await asyncio.to_thread(work)

    async def _directory(self) -> Directory:
        start = max(0, self._size - END.size - COMMENT_MAX)
        tail = await self._read(start, self._size - start)
        at = tail.rfind(b"PK\5\6")
        if at < 0 or at + END.size > len(tail):
            raise damaged("the archive is no zip, or not all of one")
        _, disk, first, here, count, size, offset, comment = END.unpack_from(tail, at)
        if disk or first or here != count or at + END.size + comment != len(tail):
            raise damaged("the zip's end is not what it should be")
        position = start + at
        if count == 0xFFFF or FULL32 in {size, offset}:
            found, position = await self._directory64(position)
        else:
            found = Directory(offset=offset, size=size, count=count)
        if found.offset + found.size != position:
            raise damaged("the zip's list is not where it should be")
        return found

    async def _directory64(self, position: int) -> tuple[Directory, int]:
        raw = await self._read(max(0, position - END64_LOCATOR.size), END64_LOCATOR.size)
        if len(raw) < END64_LOCATOR.size or raw[:4] != b"PK\6\7":
            raise damaged("the zip's end is not what it should be")
        at = END64_LOCATOR.unpack(raw)[2]
        raw = await self._read(min(at, self._size), END64.size)
        if len(raw) < END64.size or raw[:4] != b"PK\6\6":
            raise damaged("the zip's end is not what it should be")
        count, size, offset = END64.unpack(raw)[-3:]
        return Directory(offset=offset, size=size, count=count), at

    async def _entry(self, listed: Listed) -> Entry:
        if listed.flags & ENCRYPTED:
            raise refused("unsupported", "is encrypted", entry=listed.name)
        if listed.method not in {STORED, DEFLATED}:
            raise refused("unsupported", "is compressed in an unknown way", entry=listed.name)
        self._claimed += listed.packed
        if self._claimed > self._size:
            raise damaged("overlaps with others", entry=listed.name)
        type_ = _type(listed)
        content = self._content(listed)
        if type_ is EntryType.LINK:
            if listed.size > LINK_MAX_BYTES:
                raise refused("name", "is a link with too long a target", entry=listed.name)
            target = b"".join([piece async for piece in content])
            return Entry(name=listed.name, type=type_, mode=0o777, mtime_ns=listed.mtime_ns, target=target)
        if type_ is EntryType.FOLDER:
            if listed.size:
                raise damaged("is a folder with content", entry=listed.name)
            return Entry(name=listed.name, type=type_, mode=listed.mode & 0o7777, mtime_ns=listed.mtime_ns)
        return Entry(
            name=listed.name,
            type=type_,
            mode=listed.mode & 0o7777,
            mtime_ns=listed.mtime_ns,
            size=listed.size,
            content=content,
        )

    async def _content(self, listed: Listed) -> AsyncIterator[bytes]:
        head = await self._read(listed.offset, LOCAL.size + CHUNK)
        if len(head) < LOCAL.size or head[:4] != b"PK\3\4":
            raise damaged("is not where the list says", entry=listed.name)
        local = LOCAL.unpack_from(head)
        names, extra = local[-2:]
        if head[LOCAL.size : LOCAL.size + names] != listed.name or local[3] != listed.method:
            raise damaged("is not what the list says", entry=listed.name)
        begin = listed.offset + LOCAL.size + names + extra
        if begin + listed.packed > self._size:
            raise damaged("the archive ends in the middle", entry=listed.name)
        crc = size = 0
        async for piece in self._unpacked(listed, begin, head[LOCAL.size + names + extra :]):
            size += len(piece)
            crc = zlib.crc32(piece, crc)
            self._budget.give(len(piece))
            if size > listed.size:
                raise damaged("is larger than it says", entry=listed.name)
            yield piece
        if size != listed.size or crc != listed.crc:
            raise damaged("is not what its checksum says", entry=listed.name)

    async def _packed(self, listed: Listed, begin: int, known: bytes) -> AsyncIterator[bytes]:
        at, end = begin, begin + listed.packed
        if known and at < end:
            yield known[: end - at]
            at += len(known)
        while at < end:
            data = await self._read(at, min(CHUNK, end - at))
            if not data:
                raise damaged("the archive ends in the middle", entry=listed.name)
            at += len(data)
            yield data

    async def _unpacked(self, listed: Listed, begin: int, known: bytes) -> AsyncIterator[bytes]:
        packed = self._packed(listed, begin, known)
        if listed.method == STORED:
            async for data in packed:
                yield data
            return
        inner = zlib.decompressobj(-15)
        async for piece in packed:
            data = piece
            while data and not inner.eof:
                try:
                    out = inner.decompress(data, OUT_BYTES)
                except zlib.error as error:
                    raise damaged(f"cannot be unpacked: {error}", entry=listed.name) from error
                data = inner.unconsumed_tail
                yield out
        if not inner.eof:
            raise damaged("ends in the middle", entry=listed.name)


def _listed(buffer: bytes) -> tuple[Listed, int]:
    if len(buffer) < CENTRAL.size or buffer[:4] != b"PK\1\2":
        raise damaged("the zip's list does not parse")
    (
        _,
        made,
        _,
        flags,
        method,
        time,
        date,
        crc,
        packed,
        size,
        names,
        extras,
        comments,
        _,
        _,
        attributes,
        offset,
    ) = CENTRAL.unpack_from(buffer)
    used = CENTRAL.size + names + extras + comments
    if len(buffer) < used:
        raise damaged("the zip's list does not parse")
    name = buffer[CENTRAL.size : CENTRAL.size + names]
    extra = buffer[CENTRAL.size + names : CENTRAL.size + names + extras]
    size, packed, offset = _large(extra, [size, packed, offset])
    unix = made >> 8 in {UNIX, DARWIN}
    mode = attributes >> 16 if unix else 0
    return Listed(
        name=name,
        flags=flags,
        method=method,
        crc=crc,
        packed=packed,
        size=size,
        offset=offset,
        mode=mode or (stat.S_IFDIR | MODE_FOLDER if name.endswith(b"/") else stat.S_IFREG | MODE_FILE),
        mtime_ns=_dos_time(date, time),
    ), used


def _large(extra: bytes, values: list[int]) -> list[int]:
    """Fill in what zip64 keeps apart."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            fields = extra[at + 4 : at + 4 + length]
            for i, value in enumerate(values):
                if value == FULL32:
                    if len(fields) < 8:
                        raise damaged("the zip's list does not parse")
                    values[i] = int.from_bytes(fields[:8], "little")
                    fields = fields[8:]
        at += 4 + length
    return values


def _dos_time(date: int, time: int) -> int | None:
    """Their clock has no zone: taken as UTC."""
    try:
        when = datetime(
            (date >> 9) + 1980,
            date >> 5 & 15,
            date & 31,
            time >> 11,
            time >> 5 & 63,
            (time & 31) * 2,
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return int(when.timestamp()) * 1_000_000_000


def _type(listed: Listed) -> EntryType:
    kind = stat.S_IFMT(listed.mode)
    if listed.name.endswith(b"/"):
        if kind not in {0, stat.S_IFDIR}:
            raise refused("type_change", "is a folder by its name and none by its mode", entry=listed.name)
        return EntryType.FOLDER
    if kind in {0, stat.S_IFREG}:
        return EntryType.FILE
    if kind == stat.S_IFLNK:
        return EntryType.LINK
    if kind == stat.S_IFDIR:
        return EntryType.FOLDER
    raise refused("special", "is a device, a pipe or a socket", entry=listed.name)
