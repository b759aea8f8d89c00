"""The requests of the feature `changes`, as the protocol's page has them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from agent_wire import DATA, FOREVER, READ_END, READ_META, UNKNOWN_SIZE, Channel, Stat, text

READ_LINES, LINES_AT, MOVE, MOVED, COPY, COPIED, CHMOD, CHMODDED = range(0x42, 0x4A)
APPEND, REPLACE_LINK = 16, 32
NEW_ONLY, MAKE_PARENTS, MATCH, MATCH_TO, RECURSIVE, SKIP_SPECIAL = 1, 2, 4, 8, 16, 32
INTO_ITSELF, OTHER_DEVICE = 19, 20
SECOND_PATH = 2**31
LITTLE, BIG, BY_MARK = range(3)


@dataclass
class Lines:
    """What READ_LINES gave."""

    stat: Stat
    number: int
    offset: int
    order: int
    data: bytes
    eof: bool
    changed: bool


def lines(
    host: Channel,
    path: str,
    first: int = 1,
    count: int = UNKNOWN_SIZE,
    *,
    most: int = UNKNOWN_SIZE,
    width: int = 1,
    order: int = LITTLE,
) -> Lines:
    """Read lines."""
    request = host.request()
    numbers = struct.pack(">qQQQBB", first, count, most, FOREVER, width, order)
    host.send(READ_LINES, request, text(path) + numbers)
    meta = host.reply(request)
    assert meta.type == READ_META
    at = host.reply(request)
    assert at.type == LINES_AT
    data = bytearray()
    while (got := host.reply(request)).type == DATA:
        data += got.payload
    assert got.type == READ_END
    where = at.fields
    found = (where.u64(), where.u64(), where.u8())
    where.end()
    return Lines(Stat.take(meta.fields), *found, bytes(data), bool(got.payload[0]), bool(got.payload[1]))


def move(host: Channel, path: str, to: str, flags: int = 0, match: str = "", match_to: str = "") -> bool:
    """Rename; return whether something was replaced."""
    request = host.request()
    host.send(MOVE, request, text(path) + text(to) + struct.pack(">I", flags) + text(match) + text(match_to))
    got = host.reply(request)
    assert got.type == MOVED
    fields = got.fields
    replaced = bool(fields.u8())
    Stat.take(fields)
    fields.end()
    return replaced


@dataclass
class Copied:
    """What COPY did."""

    created: bool
    entries: int
    bytes: int
    skipped: int
    stat: Stat


def copy(
    host: Channel,
    path: str,
    to: str,
    flags: int = 0,
    match: str = "",
    match_to: str = "",
    *,
    entries: int = 1000,
    most: int = UNKNOWN_SIZE,
) -> Copied:
    """Copy a file or a folder."""
    request = host.request()
    numbers = struct.pack(">IIQ", flags, entries, most)
    host.send(COPY, request, text(path) + text(to) + numbers + text(match) + text(match_to))
    got = host.reply(request)
    assert got.type == COPIED
    fields = got.fields
    done = Copied(bool(fields.u8()), fields.u64(), fields.u64(), fields.u64(), Stat.take(fields))
    fields.end()
    return done


def begin_copy(host: Channel, path: str, to: str) -> None:
    """Ask for a recursive copy without limits, and do not wait for it."""
    numbers = struct.pack(">IIQ", RECURSIVE, 2**32 - 1, UNKNOWN_SIZE)
    host.send(COPY, host.request(), text(path) + text(to) + numbers + text("") + text(""))


def chmod(
    host: Channel,
    path: str,
    mode: int,
    flags: int = 0,
    match: str = "",
    *,
    folders: int = 0o755,
    entries: int = 1000,
) -> tuple[int, Stat]:
    """Change modes; return how many."""
    request = host.request()
    numbers = struct.pack(">IIII", flags, mode, folders, entries)
    host.send(CHMOD, request, text(path) + numbers + text(match))
    got = host.reply(request)
    assert got.type == CHMODDED
    fields = got.fields
    done = (fields.u64(), Stat.take(fields))
    fields.end()
    return done
