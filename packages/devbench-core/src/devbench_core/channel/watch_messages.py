"""The frames of watching, as values. The protocol's page explains each field."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import ClassVar

from attrs import field

from devbench_core.channel.codes import Way
from devbench_core.channel.messages import Message
from devbench_core.channel.plan import nested
from devbench_core.channel.wire import STRING, U8, U16, U32, U64, enum, many
from devbench_core.values import frozen

CHANGES_LIMIT = 1000
DEBOUNCE_MAX_MS = 10_000


class WatchFlag(IntFlag):
    """Options of WATCH."""

    RECURSIVE = 1


class ChangesFlag(IntFlag):
    """What CHANGES says beside the changes."""

    RESCAN = 1
    PARTIAL = 2


class Happened(IntEnum):
    """What happened to a path."""

    CREATED = 1
    MODIFIED = 2
    DELETED = 3
    MOVED = 4


class WatchedType(IntEnum):
    """What is or was at the path."""

    FILE = 1
    DIRECTORY = 2


@frozen
class Change:
    """One change."""

    kind: Happened = field(metadata=enum(U8, Happened))
    type: WatchedType = field(metadata=enum(U8, WatchedType))
    path: bytes = field(metadata=STRING)
    origin: bytes = field(metadata=STRING)


@frozen
class Watch(Message):
    """Ask for what changed after a number; waits for it."""

    TYPE: ClassVar[int] = 0x50
    WAY: ClassVar[Way] = Way.HOST
    path: bytes = field(metadata=STRING)
    flags: int = field(metadata=U32)
    watch: int = field(metadata=U64)
    after: int = field(metadata=U64)
    wait_ms: int = field(metadata=U32)
    debounce_ms: int = field(metadata=U32)
    limit: int = field(metadata=U32)


@frozen
class Changes(Message):
    """The answer to WATCH."""

    TYPE: ClassVar[int] = 0x51
    WAY: ClassVar[Way] = Way.AGENT
    watch: int = field(metadata=U64)
    cursor: int = field(metadata=U64)
    flags: int = field(metadata=U8)
    changes: tuple[Change, ...] = field(metadata=many(U16, nested(Change), CHANGES_LIMIT))


WATCH_MESSAGES: tuple[type[Message], ...] = (Watch, Changes)
