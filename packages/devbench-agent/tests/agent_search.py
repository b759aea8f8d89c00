"""FIND and GREP, written from the protocol's page."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

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
