"""The frames of batches, as values. The protocol's page explains each field."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import ClassVar

from attrs import field

from devbench_core.channel.codes import Way
from devbench_core.channel.file_messages import KEEP_MODE, FileFault, Stat
from devbench_core.channel.messages import Message
from devbench_core.channel.plan import nested
from devbench_core.channel.wire import BOOL, I64, STRING, TEXT, U8, U16, U32, U64, enum, many
from devbench_core.values import frozen

NO_TIME = -(2**63)
OPERATIONS_MAX = 131_072
RESULTS_MAX = 65_535


class Kind(IntEnum):
    """What an operation of a batch does."""

    WRITE = 1
    LINK = 2
    HARD_LINK = 3
    DELETE = 4
    MKDIR = 5
    MOVE = 6
    DRESS = 7


class OpFlag(IntFlag):
    """Options and conditions of an operation."""

    CREATE_ONLY = 1
    IF_MATCH = 2
    NO_FOLLOW = 4
    RECURSIVE = 8
    MAY_EXIST = 16
    REPLACE = 32


class BatchFlag(IntFlag):
    """Options of a batch."""

    DURABLE = 1
    QUIET = 2


@frozen
class Batch(Message):
    """Begin a batch."""

    TYPE: ClassVar[int] = 0x60
    WAY: ClassVar[Way] = Way.HOST
    flags: int = field(metadata=U32, default=0)


@frozen
class BatchOp(Message):
    """One operation; of WRITE, ``size`` bytes of DATA follow. ``other``: a link's or a move's target."""

    TYPE: ClassVar[int] = 0x61
    WAY: ClassVar[Way] = Way.HOST
    kind: Kind = field(metadata=enum(U8, Kind))
    flags: int = field(metadata=U32, default=0)
    mode: int = field(metadata=U32, default=KEEP_MODE)
    mtime_ns: int = field(metadata=I64, default=NO_TIME)
    size: int = field(metadata=U64, default=0)
    path: bytes = field(metadata=STRING)
    other: bytes = field(metadata=STRING, default=b"")
    if_match: str = field(metadata=TEXT, default="")


@frozen
class BatchEnd(Message):
    """All operations were sent: now they happen."""

    TYPE: ClassVar[int] = 0x62
    WAY: ClassVar[Way] = Way.HOST
    count: int = field(metadata=U32)


@frozen
class Outcome:
    """What became of one operation; ``stat`` means nothing after a deletion."""

    created: bool = field(metadata=BOOL)
    stat: Stat = field(metadata=nested(Stat))


@frozen
class BatchResults(Message):
    """What became of the next operations, in their order."""

    TYPE: ClassVar[int] = 0x63
    WAY: ClassVar[Way] = Way.AGENT
    outcomes: tuple[Outcome, ...] = field(metadata=many(U16, nested(Outcome), RESULTS_MAX))


@frozen
class BatchDone(Message):
    """All of it happened."""

    TYPE: ClassVar[int] = 0x64
    WAY: ClassVar[Way] = Way.AGENT
    count: int = field(metadata=U32)


@frozen
class BatchRefused(Message):
    """Nothing of it happened, because of one operation."""

    TYPE: ClassVar[int] = 0x65
    WAY: ClassVar[Way] = Way.AGENT
    index: int = field(metadata=U32)
    code: FileFault = field(metadata=enum(U8, FileFault))
    errno: int = field(metadata=U32)
    etag: str = field(metadata=TEXT)
    message: str = field(metadata=TEXT)


BATCH_MESSAGES: tuple[type[Message], ...] = (
    Batch,
    BatchOp,
    BatchEnd,
    BatchResults,
    BatchDone,
    BatchRefused,
)
