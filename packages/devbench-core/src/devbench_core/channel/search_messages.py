"""The frames of searches, as values. The protocol's page explains each field."""

from __future__ import annotations

from enum import IntFlag
from typing import ClassVar

from attrs import field, frozen

from devbench_core.channel.codes import Way
from devbench_core.channel.file_messages import Stat
from devbench_core.channel.messages import Message
from devbench_core.channel.plan import nested
from devbench_core.channel.wire import BOOL, OFFSET, STRING, U8, U16, U32, U64, many

FIND_LIMIT = 1000
GLOBS_MAX = 256
GLOB_MAX_BYTES = 1024
GLOBS_MAX_BYTES = 32_768
SEARCH = "search"
"""The feature of agents that can search."""


class SearchFlag(IntFlag):
    """Options of FIND and GREP."""

    SKIP_HIDDEN = 1
    GITIGNORE = 2


class TypeMask(IntFlag):
    """What FIND gives."""

    FILE = 1
    DIRECTORY = 2
    LINK = 4
    OTHER = 8


@frozen(kw_only=True)
class FoundEntry:
    """One entry of a tree; its path is relative to the folder that was asked for."""

    path: bytes = field(metadata=STRING)
    stat: Stat = field(metadata=nested(Stat))


@frozen(kw_only=True)
class Looked:
    """What a search saw, and left out."""

    entries: int = field(metadata=OFFSET)
    unreadable: int = field(metadata=U32)
    too_deep: int = field(metadata=U32)
    ignore_files_left_out: int = field(metadata=U32)


@frozen(kw_only=True)
class Find(Message):
    """List a tree after a path."""

    TYPE: ClassVar[int] = 0x70
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    after: bytes = field(metadata=STRING, default=b"")
    flags: int = field(metadata=U32, default=0)
    depth: int = field(metadata=U32, default=0)
    include: tuple[bytes, ...] = field(metadata=many(U16, STRING, GLOBS_MAX), default=())
    exclude: tuple[bytes, ...] = field(metadata=many(U16, STRING, GLOBS_MAX), default=())
    look: int = field(metadata=U64)
    types: int = field(metadata=U8)
    limit: int = field(metadata=U32)


@frozen(kw_only=True)
class Found(Message):
    """A part of a page; without entries it only says that the search goes on."""

    TYPE: ClassVar[int] = 0x71
    WAY: ClassVar[Way] = Way.AGENT
    entries: tuple[FoundEntry, ...] = field(metadata=many(U16, nested(FoundEntry), FIND_LIMIT))


@frozen(kw_only=True)
class FindEnd(Message):
    """A page is complete; the next begins after ``cursor``."""

    TYPE: ClassVar[int] = 0x72
    WAY: ClassVar[Way] = Way.AGENT
    more: bool = field(metadata=BOOL)
    cursor: bytes = field(metadata=STRING)
    looked: Looked = field(metadata=nested(Looked))


SEARCH_MESSAGES: tuple[type[Message], ...] = (Find, Found, FindEnd)
