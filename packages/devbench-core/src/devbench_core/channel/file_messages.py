"""The frames of file requests, as values. The protocol's page explains each field."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import ClassVar

from attrs import field

from devbench_core.channel.codes import Way
from devbench_core.channel.messages import Message
from devbench_core.channel.plan import nested
from devbench_core.channel.wire import (
    BOOL,
    DATA_MAX,
    I64,
    STRING,
    TEXT,
    U8,
    U16,
    U32,
    U64,
    enum,
    many,
    rest,
)
from devbench_core.values import frozen

TO_THE_END = 2**64 - 1
SIZE_UNKNOWN = 2**64 - 1
KEEP_MODE = 2**32 - 1
DIR_LIMIT = 1000


class NodeType(IntEnum):
    """What is at a path."""

    FILE = 1
    DIRECTORY = 2
    LINK = 3
    OTHER = 4


class WriteFlag(IntFlag):
    """Options of WRITE."""

    CREATE_ONLY = 1
    PARENTS = 2
    FSYNC = 4
    IF_MATCH = 8
    APPEND = 16
    REPLACE_LINK = 32


class FileFault(IntEnum):
    """Why a file request failed."""

    NOT_FOUND = 1
    IS_DIRECTORY = 2
    NOT_DIRECTORY = 3
    EXISTS = 4
    PERMISSION = 5
    CONFLICT = 6
    OUTSIDE = 7
    TOO_LARGE = 8
    NO_SPACE = 9
    READ_ONLY = 10
    LOOP = 11
    INVALID = 12
    NOT_EMPTY = 13
    IO = 14
    ABORTED = 15
    BUSY = 16
    NOT_A_FILE = 17
    NO_WORKSPACE = 18
    INTO_ITSELF = 19
    OTHER_DEVICE = 20
    LIMIT = 24
    NO_ROOT = 25


@frozen
class Stat:
    """What the agent tells of one file."""

    type: NodeType = field(metadata=enum(U8, NodeType))
    mode: int = field(metadata=U32)
    size: int = field(metadata=U64)
    mtime_ns: int = field(metadata=I64)
    uid: int = field(metadata=U32)
    gid: int = field(metadata=U32)
    etag: str = field(metadata=TEXT)
    target: bytes = field(metadata=STRING)


@frozen
class Named:
    """One entry of a folder."""

    name: bytes = field(metadata=STRING)
    stat: Stat = field(metadata=nested(Stat))


@frozen
class StatFile(Message):
    """Describe a path (STAT); flag 1 follows a final link."""

    TYPE: ClassVar[int] = 0x30
    WAY: ClassVar[Way] = Way.HOST
    flags: int = field(metadata=U32, default=0)
    path: bytes = field(metadata=STRING)


@frozen
class Stated(Message):
    """The answer to STAT."""

    TYPE: ClassVar[int] = 0x31
    WAY: ClassVar[Way] = Way.AGENT
    stat: Stat = field(metadata=nested(Stat))


@frozen
class Read(Message):
    """Read a file."""

    TYPE: ClassVar[int] = 0x32
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    offset: int = field(metadata=U64)
    max: int = field(metadata=U64)
    limit: int = field(metadata=U64)


@frozen
class ReadMeta(Message):
    """What is being read."""

    TYPE: ClassVar[int] = 0x33
    WAY: ClassVar[Way] = Way.AGENT
    stat: Stat = field(metadata=nested(Stat))


@frozen
class Data(Message):
    """Bytes of a file."""

    TYPE: ClassVar[int] = 0x34
    data: bytes = field(metadata=rest(1, DATA_MAX), repr=False)


@frozen
class ReadEnd(Message):
    """A read is done."""

    TYPE: ClassVar[int] = 0x35
    WAY: ClassVar[Way] = Way.AGENT
    eof: bool = field(metadata=BOOL)
    changed: bool = field(metadata=BOOL)


@frozen
class FileWindow(Message):
    """The agent may send data below the limit."""

    TYPE: ClassVar[int] = 0x36
    WAY: ClassVar[Way] = Way.HOST
    limit: int = field(metadata=U64)


@frozen
class Write(Message):
    """Write a file; DATA and WRITE_END follow."""

    TYPE: ClassVar[int] = 0x37
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    flags: int = field(metadata=U32)
    mode: int = field(metadata=U32)
    size: int = field(metadata=U64)
    if_match: str = field(metadata=TEXT, default="")


@frozen
class WriteEnd(Message):
    """All data were sent."""

    TYPE: ClassVar[int] = 0x38
    WAY: ClassVar[Way] = Way.HOST


@frozen
class Written(Message):
    """A write is done."""

    TYPE: ClassVar[int] = 0x39
    WAY: ClassVar[Way] = Way.AGENT
    created: bool = field(metadata=BOOL)
    stat: Stat = field(metadata=nested(Stat))


@frozen
class Dir(Message):
    """List a folder."""

    TYPE: ClassVar[int] = 0x3A
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    after: bytes = field(metadata=STRING, default=b"")
    limit: int = field(metadata=U32)


@frozen
class Entries(Message):
    """Names of a folder; ``last`` ends the answer, ``more`` says that the folder holds further ones."""

    TYPE: ClassVar[int] = 0x3B
    WAY: ClassVar[Way] = Way.AGENT
    last: bool = field(metadata=BOOL)
    more: bool = field(metadata=BOOL)
    entries: tuple[Named, ...] = field(metadata=many(U16, nested(Named), DIR_LIMIT))


@frozen
class Delete(Message):
    """Delete a path; flag 1 is recursive."""

    TYPE: ClassVar[int] = 0x3C
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    flags: int = field(metadata=U32, default=0)
    if_match: str = field(metadata=TEXT, default="")


@frozen
class Deleted(Message):
    """A deletion is done."""

    TYPE: ClassVar[int] = 0x3D
    WAY: ClassVar[Way] = Way.AGENT


@frozen
class MakeDir(Message):
    """Make a folder (MKDIR); flag 1 makes parents, flag 2 accepts an existing one."""

    TYPE: ClassVar[int] = 0x3E
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    flags: int = field(metadata=U32, default=0)
    mode: int = field(metadata=U32, default=KEEP_MODE)


@frozen
class Made(Message):
    """A folder is there."""

    TYPE: ClassVar[int] = 0x3F
    WAY: ClassVar[Way] = Way.AGENT
    created: bool = field(metadata=BOOL)
    stat: Stat = field(metadata=nested(Stat))


@frozen
class FileError(Message):
    """A file request failed."""

    TYPE: ClassVar[int] = 0x40
    WAY: ClassVar[Way] = Way.AGENT
    code: FileFault = field(metadata=enum(U8, FileFault))
    errno: int = field(metadata=U32)
    etag: str = field(metadata=TEXT)
    message: str = field(metadata=TEXT)


@frozen
class Abort(Message):
    """End a request early."""

    TYPE: ClassVar[int] = 0x41
    WAY: ClassVar[Way] = Way.HOST


FILE_MESSAGES: tuple[type[Message], ...] = (
    StatFile,
    Stated,
    Read,
    ReadMeta,
    Data,
    ReadEnd,
    FileWindow,
    Write,
    WriteEnd,
    Written,
    Dir,
    Entries,
    Delete,
    Deleted,
    MakeDir,
    Made,
    FileError,
    Abort,
)
