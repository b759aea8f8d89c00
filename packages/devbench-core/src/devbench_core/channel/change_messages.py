"""The frames of lines, moves, copies and modes, as values. The protocol's page explains each field."""

from __future__ import annotations

from enum import IntFlag
from typing import ClassVar

from attrs import field

from devbench_core.channel.codes import ByteOrder, Way
from devbench_core.channel.file_messages import Stat
from devbench_core.channel.messages import Message
from devbench_core.channel.plan import nested
from devbench_core.channel.wire import BOOL, I64, STRING, TEXT, U8, U32, U64, enum
from devbench_core.values import frozen

ALL_LINES = 2**64 - 1
ENTRY_NAMED = 2**30
"""The bit in a `FileError`'s errno that says that its message is the name of an entry of a tree."""
SECOND_PATH = 2**31
"""The bit in a `FileError`'s errno that says that the second path is meant."""


class PairFlag(IntFlag):
    """Options of MOVE and COPY; the last two of COPY only."""

    CREATE_ONLY = 1
    PARENTS = 2
    IF_MATCH = 4
    IF_MATCH_TO = 8
    RECURSIVE = 16
    SKIP_SPECIAL = 32


class ModeFlag(IntFlag):
    """Options of CHMOD."""

    RECURSIVE = 1
    IF_MATCH = 2


@frozen
class ReadLines(Message):
    """Read lines of a file."""

    TYPE: ClassVar[int] = 0x42
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    first: int = field(metadata=I64)
    count: int = field(metadata=U64)
    max: int = field(metadata=U64)
    limit: int = field(metadata=U64)
    width: int = field(metadata=U8)
    order: ByteOrder = field(metadata=enum(U8, ByteOrder))


@frozen
class LinesAt(Message):
    """Where the lines are that follow."""

    TYPE: ClassVar[int] = 0x43
    WAY: ClassVar[Way] = Way.AGENT
    number: int = field(metadata=U64)
    offset: int = field(metadata=U64)
    order: ByteOrder = field(metadata=enum(U8, ByteOrder))


@frozen
class Move(Message):
    """Rename a path."""

    TYPE: ClassVar[int] = 0x44
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    to: bytes = field(metadata=STRING)
    flags: int = field(metadata=U32)
    if_match: str = field(metadata=TEXT, default="")
    if_match_to: str = field(metadata=TEXT, default="")


@frozen
class Moved(Message):
    """A move is done."""

    TYPE: ClassVar[int] = 0x45
    WAY: ClassVar[Way] = Way.AGENT
    replaced: bool = field(metadata=BOOL)
    stat: Stat = field(metadata=nested(Stat))


@frozen
class Copy(Message):
    """Copy a file or a folder."""

    TYPE: ClassVar[int] = 0x46
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    to: bytes = field(metadata=STRING)
    flags: int = field(metadata=U32)
    entries: int = field(metadata=U32)
    bytes: int = field(metadata=U64)
    if_match: str = field(metadata=TEXT, default="")
    if_match_to: str = field(metadata=TEXT, default="")


@frozen
class Copied(Message):
    """A copy is done."""

    TYPE: ClassVar[int] = 0x47
    WAY: ClassVar[Way] = Way.AGENT
    created: bool = field(metadata=BOOL)
    entries: int = field(metadata=U64)
    bytes: int = field(metadata=U64)
    skipped: int = field(metadata=U64)
    stat: Stat = field(metadata=nested(Stat))


@frozen
class ChangeMode(Message):
    """Change permission bits (CHMOD)."""

    TYPE: ClassVar[int] = 0x48
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    flags: int = field(metadata=U32)
    mode: int = field(metadata=U32)
    folder_mode: int = field(metadata=U32)
    entries: int = field(metadata=U32)
    if_match: str = field(metadata=TEXT, default="")


@frozen
class ModeChanged(Message):
    """Permission bits were changed (CHMODDED)."""

    TYPE: ClassVar[int] = 0x49
    WAY: ClassVar[Way] = Way.AGENT
    changed: int = field(metadata=U64)
    stat: Stat = field(metadata=nested(Stat))


@frozen
class Progress(Message):
    """A long request goes on."""

    TYPE: ClassVar[int] = 0x4A
    WAY: ClassVar[Way] = Way.AGENT
    done: int = field(metadata=U64)


@frozen
class Snapshot(Message):
    """Read a file as it is at one moment."""

    TYPE: ClassVar[int] = 0x4B
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    max: int = field(metadata=U64)
    limit: int = field(metadata=U64)


CHANGE_MESSAGES: tuple[type[Message], ...] = (
    ReadLines,
    LinesAt,
    Move,
    Moved,
    Copy,
    Copied,
    ChangeMode,
    ModeChanged,
    Progress,
    Snapshot,
)
