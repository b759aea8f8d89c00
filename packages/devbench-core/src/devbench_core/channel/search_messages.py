"""The frames of searches, as values. The protocol's page explains each field."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import ClassVar

from attrs import field

from devbench_core.channel.codes import Way
from devbench_core.channel.file_messages import Stat
from devbench_core.channel.messages import Message
from devbench_core.channel.plan import nested
from devbench_core.channel.wire import BOOL, BYTES, OFFSET, STRING, U8, U16, U32, U64, enum, many
from devbench_core.values import frozen

FIND_LIMIT = 1000
GLOBS_MAX = 256
GLOB_MAX_BYTES = 1024
GLOBS_MAX_BYTES = 32_768
PATTERN_MAX_BYTES = 4096
CONTEXT_MAX = 50
LINE_MAX_BYTES = 4096
FILE_DONE = 2**64 - 1
"""As the place of a cursor: the file was looked at to its end."""
SEARCH = "search"
"""The feature of agents that can search."""


class SearchFlag(IntFlag):
    """Options of FIND and GREP."""

    SKIP_HIDDEN = 1
    GITIGNORE = 2
    LITERAL = 4
    IGNORE_CASE = 8
    WORD = 16


class GrepShows(IntEnum):
    """What GREP gives of files that match."""

    LINES = 1
    NAMES = 2
    COUNTS = 3


class LineFlag(IntFlag):
    """What a line of an answer is."""

    MATCH = 1
    CUT_BEFORE = 2
    CUT_AFTER = 4


class PatternFault(IntEnum):
    """Why a pattern is none."""

    TOO_LARGE = 1
    NOTHING_TO_REPEAT = 2
    REPEATED_TWICE = 3
    BAD_REPEAT = 4
    GROUP_OPEN = 5
    GROUP_CLOSED = 6
    CLASS_OPEN = 7
    BAD_RANGE = 8
    BAD_ESCAPE = 9
    BAD_NUMBER = 10
    BACK_REFERENCE = 11
    LOOK_AROUND = 12
    BAD_GROUP = 13
    LINE_FEED = 14
    TOO_DEEP = 15
    BAD_CLASS = 16
    NOT_UTF8 = 17


class TypeMask(IntFlag):
    """What FIND gives."""

    FILE = 1
    DIRECTORY = 2
    LINK = 4
    OTHER = 8


@frozen
class FoundEntry:
    """One entry of a tree; its path is relative to the folder that was asked for."""

    path: bytes = field(metadata=STRING)
    stat: Stat = field(metadata=nested(Stat))


@frozen
class Looked:
    """What a search saw, and left out."""

    entries: int = field(metadata=OFFSET)
    unreadable: int = field(metadata=U32)
    too_deep: int = field(metadata=U32)
    ignore_files_left_out: int = field(metadata=U32)


@frozen
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


@frozen
class Found(Message):
    """A part of a page; without entries it only says that the search goes on."""

    TYPE: ClassVar[int] = 0x71
    WAY: ClassVar[Way] = Way.AGENT
    entries: tuple[FoundEntry, ...] = field(metadata=many(U16, nested(FoundEntry), FIND_LIMIT))


@frozen
class FindEnd(Message):
    """A page is complete; the next begins after ``cursor``."""

    TYPE: ClassVar[int] = 0x72
    WAY: ClassVar[Way] = Way.AGENT
    more: bool = field(metadata=BOOL)
    cursor: bytes = field(metadata=STRING)
    looked: Looked = field(metadata=nested(Looked))


@frozen
class Grep(Message):
    """Look for a pattern in the files of a tree, or in one file, after a path and a place in it."""

    TYPE: ClassVar[int] = 0x73
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    after: bytes = field(metadata=STRING, default=b"")
    flags: int = field(metadata=U32, default=0)
    depth: int = field(metadata=U32, default=0)
    include: tuple[bytes, ...] = field(metadata=many(U16, STRING, GLOBS_MAX), default=())
    exclude: tuple[bytes, ...] = field(metadata=many(U16, STRING, GLOBS_MAX), default=())
    look: int = field(metadata=U64)
    place: int = field(metadata=U64, default=0)
    number: int = field(metadata=U64, default=0)
    shows: int = field(metadata=U8)
    before: int = field(metadata=U16, default=0)
    behind: int = field(metadata=U16, default=0)
    matches: int = field(metadata=U32)
    line_bytes: int = field(metadata=U32)
    text_bytes: int = field(metadata=U32)
    file_bytes: int = field(metadata=U64)
    pattern: bytes = field(metadata=STRING)


@frozen
class GreppedFile:
    """A file with matches; its lines follow."""

    path: bytes = field(metadata=STRING)
    stat: Stat = field(metadata=nested(Stat))
    count: int = field(metadata=OFFSET)


@frozen
class GreppedLine:
    """A line of the last file, or as much of it as is shown."""

    flags: int = field(metadata=U8)
    number: int = field(metadata=OFFSET)
    offset: int = field(metadata=OFFSET)
    column: int = field(metadata=OFFSET)
    text_at: int = field(metadata=OFFSET)
    text: bytes = field(metadata=BYTES)


@frozen
class GrepFiles(Message):
    """Files with matches; without any it only says that the search goes on."""

    TYPE: ClassVar[int] = 0x74
    WAY: ClassVar[Way] = Way.AGENT
    files: tuple[GreppedFile, ...] = field(metadata=many(U16, nested(GreppedFile), 1000))


@frozen
class GrepLines(Message):
    """Lines of the last file that was named."""

    TYPE: ClassVar[int] = 0x75
    WAY: ClassVar[Way] = Way.AGENT
    lines: tuple[GreppedLine, ...] = field(metadata=many(U16, nested(GreppedLine), 65_535))


@frozen
class GrepChanged(Message):
    """The last file that was named changed while it was looked at."""

    TYPE: ClassVar[int] = 0x76
    WAY: ClassVar[Way] = Way.AGENT


@frozen
class GrepEnd(Message):
    """A page is complete; the next goes on in the file ``cursor`` at ``place``, the begin of line ``number``."""

    TYPE: ClassVar[int] = 0x77
    WAY: ClassVar[Way] = Way.AGENT
    more: bool = field(metadata=BOOL)
    cursor: bytes = field(metadata=STRING)
    place: int = field(metadata=U64)
    number: int = field(metadata=U64)
    looked: Looked = field(metadata=nested(Looked))
    files: int = field(metadata=OFFSET)
    binary: int = field(metadata=OFFSET)
    large: int = field(metadata=OFFSET)


@frozen
class GrepInvalid(Message):
    """The pattern is none; ``at`` is the byte of it."""

    TYPE: ClassVar[int] = 0x78
    WAY: ClassVar[Way] = Way.AGENT
    fault: PatternFault = field(metadata=enum(U8, PatternFault))
    at: int = field(metadata=U32)


SEARCH_MESSAGES: tuple[type[Message], ...] = (
    Find,
    Found,
    FindEnd,
    Grep,
    GrepFiles,
    GrepLines,
    GrepChanged,
    GrepEnd,
    GrepInvalid,
)
