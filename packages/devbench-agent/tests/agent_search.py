"""FIND and GREP, written from the protocol's page."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_wire import Channel, Fields, Stat, text

FIND, FOUND, FIND_END, GREP, GREP_FILES, GREP_LINES, GREP_CHANGED, GREP_END, GREP_INVALID = range(0x70, 0x79)
SKIP_HIDDEN, GITIGNORE, LITERAL, IGNORE_CASE, WORD = 1, 2, 4, 8, 16
FILE, DIRECTORY, LINK, OTHER = 1, 2, 4, 8
ANY = 15
LOOK = 2**63


def walk_fields(
    path: str | bytes,
    after: str | bytes,
    flags: int,
    depth: int,
    include: Sequence[str | bytes],
    exclude: Sequence[str | bytes],
    look: int,
) -> bytes:
    globs = b"".join(struct.pack(">H", len(each)) + b"".join(map(text, each)) for each in (include, exclude))
    return text(path) + text(after) + struct.pack(">II", flags, depth) + globs + struct.pack(">Q", look)


@dataclass
class Page:
    entries: list[tuple[bytes, Stat]] = field(default_factory=list[tuple[bytes, Stat]])
    more: bool = False
    cursor: bytes = b""
    looked: int = 0
    unreadable: int = 0
    deep: int = 0
    ignores_left_out: int = 0

    @property
    def paths(self) -> list[bytes]:
        return [path for path, _ in self.entries]


def find(
    host: Channel,
    path: str | bytes = "",
    after: str | bytes = "",
    *,
    flags: int = 0,
    depth: int = 0,
    include: Sequence[str | bytes] = (),
    exclude: Sequence[str | bytes] = (),
    types: int = ANY,
    limit: int = 1000,
    look: int = LOOK,
) -> Page:
    request = host.request()
    fields = walk_fields(path, after, flags, depth, include, exclude, look)
    host.send(FIND, request, fields + struct.pack(">BI", types, limit))
    page = Page()
    while (got := host.reply(request)).type == FOUND:
        f = got.fields
        for _ in range(f.u16()):
            name = f.string()
            page.entries.append((name, Stat.take(f)))
        f.end()
    assert got.type == FIND_END
    end = got.fields
    page.more, page.cursor = bool(end.u8()), end.string()
    take_counts(page, end)
    end.end()
    return page


def take_counts(page: Page, f: Fields) -> None:
    page.looked, page.unreadable, page.deep, page.ignores_left_out = f.u64(), f.u32(), f.u32(), f.u32()


LINES, NAMES, COUNTS = 1, 2, 3
FILE_DONE = 2**64 - 1


class InvalidPattern(Exception):
    def __init__(self, f: Fields) -> None:
        self.fault, self.at = f.u8(), f.u32()
        f.end()
        super().__init__(f"fault {self.fault} at {self.at}")


@dataclass
class Line:
    flags: int
    number: int
    offset: int
    column: int
    text_at: int
    text: bytes

    @property
    def match(self) -> bool:
        return bool(self.flags & 1)


@dataclass
class Hit:
    path: bytes
    stat: Stat
    count: int
    lines: list[Line] = field(default_factory=list[Line])
    changed: bool = False


@dataclass
class GrepPage(Page):
    hits: list[Hit] = field(default_factory=list[Hit])
    place: int = 0
    number: int = 0
    files: int = 0
    binary: int = 0
    large: int = 0

    @property
    def lines(self) -> list[tuple[bytes, int, bytes]]:
        return [(hit.path, line.number, line.text) for hit in self.hits for line in hit.lines if line.match]


def grep(
    host: Channel,
    pattern: str | bytes,
    path: str | bytes = "",
    after: str | bytes = "",
    place: int = 0,
    number: int = 0,
    *,
    flags: int = 0,
    depth: int = 0,
    include: Sequence[str | bytes] = (),
    exclude: Sequence[str | bytes] = (),
    look: int = LOOK,
    mode: int = LINES,
    context: tuple[int, int] = (0, 0),
    matches: int = 1000,
    line_bytes: int = 1000,
    text_bytes: int = 1 << 20,
    file_bytes: int = 1 << 40,
) -> GrepPage:
    request = host.request()
    fields = walk_fields(path, after, flags, depth, include, exclude, look)
    fields += struct.pack(">QQBHH", place, number, mode, *context)
    fields += struct.pack(">IIIQ", matches, line_bytes, text_bytes, file_bytes) + text(pattern)
    host.send(GREP, request, fields)
    page = GrepPage()
    while (got := host.reply(request)).type != GREP_END:
        if got.type == GREP_INVALID:
            raise InvalidPattern(got.fields)
        take_part(page, got.type, got.fields)
    end = got.fields
    page.more, page.cursor, page.place, page.number = bool(end.u8()), end.string(), end.u64(), end.u64()
    take_counts(page, end)
    page.files, page.binary, page.large = end.u64(), end.u64(), end.u64()
    end.end()
    return page


def take_part(page: GrepPage, kind: int, f: Fields) -> None:
    if kind == GREP_FILES:
        for _ in range(f.u16()):
            page.hits.append(Hit(f.string(), Stat.take(f), f.u64()))
    elif kind == GREP_LINES:
        for _ in range(f.u16()):
            page.hits[-1].lines.append(Line(f.u8(), f.u64(), f.u64(), f.u64(), f.u64(), f.string()))
    else:
        assert kind == GREP_CHANGED
        page.hits[-1].changed = True
    f.end()


def all_lines(host: Channel, pattern: str | bytes, **more: Any) -> list[tuple[bytes, int, bytes]]:
    """What all pages find."""
    got: list[tuple[bytes, int, bytes]] = []
    page = grep(host, pattern, **more)
    got += page.lines
    while page.more:
        page = grep(host, pattern, "", page.cursor, page.place, page.number, **more)
        got += page.lines
    return got
