"""A tar as a stream: the formats v7, ustar, GNU and pax, with each number checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, TypeVar

import attrs

from devbench_core.archives.entry import Entry, EntryType, damaged, refused
from devbench_core.archives.source import Source

T = TypeVar("T")
BLOCK: Final = 512
EXTENDED_MAX_BYTES: Final = 1_048_576
"""Of one extended header: names are at most 4 KiB, and attributes are not kept."""
NS: Final = 1_000_000_000
MTIME_MAX_S: Final = 2**33  # the year 2242
SPECIAL = {b"3": "a device", b"4": "a device", b"6": "a pipe"}
REGULAR = {b"0", b"\0", b"7"}


@attrs.define
class Extended:
    """What headers before an entry say of it."""

    name: bytes | None = None
    target: bytes | None = None
    size: int | None = None
    mtime_ns: int | None = None


async def tar_entries(source: Source) -> AsyncIterator[Entry]:
    """Give a tar's entries in order.

    Raises:
        ArchiveRefused: It is damaged, or holds what cannot be taken.
    """
    everywhere, extended = Extended(), Extended()
    while (header := await _header(source)) is not None:
        kind, size = header[156:157], _number(header[124:136], "size")
        if kind in {b"L", b"K", b"x", b"g"}:
            text = await _text(source, size)
            _extend(everywhere if kind == b"g" else extended, kind, text)
            continue
        entry, size = _entry(header, kind, size, everywhere, extended)
        extended = Extended()
        size = size if entry.type is EntryType.FILE else 0  # others have no content, whatever they say
        reader = _Content(source, size)
        yield attrs.evolve(entry, size=size, content=reader.pieces())
        await reader.finish(size)
    await source.drain()


class _Content:
    """The content of one entry, which its reader may leave unread."""

    def __init__(self, source: Source, size: int) -> None:
        self._source = source
        self._left = size

    async def pieces(self) -> AsyncIterator[bytes]:
        while self._left:
            async for piece in self._source.run(min(self._left, BLOCK * 512)):
                self._left -= len(piece)
                yield piece

    async def finish(self, size: int) -> None:
        await self._source.skip(self._left + -size % BLOCK)
        self._left = 0


async def _header(source: Source) -> bytes | None:
    """Return the next header, None at the end."""
    header = await source.at_most(BLOCK)
    if not header.strip(b"\0"):
        if len(header) not in {0, BLOCK}:
            raise damaged("the archive ends in the middle")
        if not header:
            raise damaged("the archive ends without its end mark")
        return None
    if len(header) < BLOCK:
        raise damaged("the archive ends in the middle")
    claimed = _number(header[148:156], "checksum")
    blank = header[:148] + b" " * 8 + header[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in blank)
    if claimed not in {sum(blank), signed}:
        raise damaged("a header's checksum is wrong")
    return header


def _number(raw: bytes, what: str) -> int:
    """Octal digits, or GNU's binary numbers."""
    if raw[0] in {0x80, 0xFF}:
        return (
            int.from_bytes(raw[1:], "big", signed=True) if raw[0] == 0xFF else int.from_bytes(raw[1:], "big")
        )
    digits = raw.split(b"\0", 1)[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise damaged(f"a header's {what} is no number")
    return int(digits or b"0", 8)


async def _text(source: Source, size: int) -> bytes:
    if not 0 <= size <= EXTENDED_MAX_BYTES:
        raise refused("unsupported", f"an extended header is over {EXTENDED_MAX_BYTES} bytes")
    text = await source.exactly(size)
    await source.skip(-size % BLOCK)
    return text


def _extend(to: Extended, kind: bytes, text: bytes) -> None:
    if kind == b"L":
        to.name = text.split(b"\0", 1)[0]
    elif kind == b"K":
        to.target = text.split(b"\0", 1)[0]
    else:
        for key, value in _records(text):
            _record(to, key, value)


def _record(to: Extended, key: bytes, value: bytes) -> None:
    if key == b"path":
        to.name = value
    elif key == b"linkpath":
        to.target = value
    elif key == b"size":
        to.size = _decimal(value)
    elif key == b"mtime":
        to.mtime_ns = _time(value)
    elif key.startswith(b"GNU.sparse."):
        raise refused("unsupported", "the archive holds sparse files", hint="make it without --sparse")


def _records(text: bytes) -> list[tuple[bytes, bytes]]:
    """Cut pax's ``LENGTH KEY=VALUE`` lines."""
    found: list[tuple[bytes, bytes]] = []
    while text.strip(b"\0"):
        digits, space, _ = text.partition(b" ")
        length = _decimal(digits) if space else 0
        line = text[len(digits) + 1 : length]
        key, equals, value = line.partition(b"=")
        if length <= len(digits) or length > len(text) or not line.endswith(b"\n") or not equals:
            raise damaged("an extended header does not parse")
        found.append((key, value[:-1]))
        text = text[length:]
    return found


def _decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 20:
        raise damaged("an extended header's number is none")
    return int(digits)


def _time(value: bytes) -> int:
    whole, _, part = value.partition(b".")
    sign = -1 if whole.startswith(b"-") else 1
    seconds = _decimal(whole.lstrip(b"-") or b"0")
    nanos = _decimal((part + b"000000000")[:9])
    return _clamped(sign * (seconds * NS + nanos))


def _clamped(mtime_ns: int) -> int:
    return max(0, min(mtime_ns, MTIME_MAX_S * NS))


def _entry(header: bytes, kind: bytes, size: int, everywhere: Extended, own: Extended) -> tuple[Entry, int]:
    name = _first(own.name, everywhere.name)
    if name is None:
        name = header[:100].split(b"\0", 1)[0]
        prefix = header[345:500].split(b"\0", 1)[0]
        if header[257:263] == b"ustar\0" and prefix:
            name = prefix + b"/" + name
    target = _first(own.target, everywhere.target)
    if target is None:
        target = header[157:257].split(b"\0", 1)[0]
    mtime = _first(own.mtime_ns, everywhere.mtime_ns)
    if mtime is None:
        mtime = _clamped(_number(header[136:148], "time") * NS)
    real = _first(own.size, everywhere.size)
    size = size if real is None else real
    if size < 0:
        raise damaged("has a negative size", entry=name)
    entry = Entry(
        name=name,
        type=_type(kind, name),
        mode=_number(header[100:108], "mode") & 0o7777,
        mtime_ns=mtime,
        target=target,
    )
    return entry, size


def _type(kind: bytes, name: bytes) -> EntryType:
    if kind in SPECIAL:
        raise refused("special", f"is {SPECIAL[kind]}", entry=name)
    if kind in REGULAR:
        return EntryType.FOLDER if name.endswith(b"/") and kind != b"7" else EntryType.FILE
    if kind == b"5":
        return EntryType.FOLDER
    if kind == b"2":
        return EntryType.LINK
    if kind == b"1":
        return EntryType.HARD_LINK
    raise refused("unsupported", f"is of the unknown type {kind!r}", entry=name)


def _first(own: T | None, everywhere: T | None) -> T | None:
    return own if own is not None else everywhere
