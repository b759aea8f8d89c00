"""The frames of the connection itself, as values. The protocol's page explains each field."""

from __future__ import annotations

from typing import ClassVar

from attrs import field

from devbench_core.channel.codes import (
    Fault,
    Leave,
    Method,
    Refusal,
    Way,
)
from devbench_core.channel.wire import (
    BOOL,
    TEXT,
    U8,
    U16,
    U32,
    enum,
    many,
    raw,
    rest,
)
from devbench_core.values import frozen

FEATURES_MAX = 256


@frozen
class Message:
    """One frame. ``id`` is an exec's handle, a request's id, or 0 for the connection."""

    TYPE: ClassVar[int] = 0
    WAY: ClassVar[Way] = Way.BOTH
    id: int = 0


@frozen
class Hello(Message):
    """The agent's first frame."""

    TYPE: ClassVar[int] = 0x01
    WAY: ClassVar[Way] = Way.AGENT
    magic: bytes = field(metadata=raw(4))
    major: int = field(metadata=U16)
    minor: int = field(metadata=U16)
    boot_id: bytes = field(metadata=raw(16))
    nonce: bytes = field(metadata=raw(32))
    claimed: bool = field(metadata=BOOL)
    max_payload: int = field(metadata=U32)


@frozen
class Auth(Message):
    """The host's first frame."""

    TYPE: ClassVar[int] = 0x02
    WAY: ClassVar[Way] = Way.HOST
    major: int = field(metadata=U16)
    minor: int = field(metadata=U16)
    instance: str = field(metadata=TEXT)
    flags: int = field(metadata=U32)
    nonce: bytes = field(metadata=raw(32))
    method: Method = field(metadata=enum(U8, Method))
    secret: bytes = field(metadata=raw(32), repr=False)


@frozen
class Welcome(Message):
    """The agent accepts the host and proves itself."""

    TYPE: ClassVar[int] = 0x03
    WAY: ClassVar[Way] = Way.AGENT
    proof: bytes = field(metadata=raw(32), repr=False)
    pid: int = field(metadata=U32)
    uid: int = field(metadata=U32)
    gid: int = field(metadata=U32)
    running: int = field(metadata=U32)
    ended: int = field(metadata=U32)
    highest_handle: int = field(metadata=U32)
    features: tuple[str, ...] = field(metadata=many(U16, TEXT, FEATURES_MAX))


@frozen
class Error(Message):
    """The channel is over, by a fault."""

    TYPE: ClassVar[int] = 0x04
    code: Fault = field(metadata=enum(U16, Fault))
    message: str = field(metadata=TEXT)


@frozen
class Goodbye(Message):
    """The channel is over, by nobody's fault."""

    TYPE: ClassVar[int] = 0x05
    reason: Leave = field(metadata=enum(U16, Leave))
    message: str = field(metadata=TEXT, default="")


@frozen
class Ping(Message):
    """Asks for a sign of life."""

    TYPE: ClassVar[int] = 0x06
    data: bytes = field(metadata=rest(0, 64), default=b"")


@frozen
class Pong(Message):
    """Answers a ping."""

    TYPE: ClassVar[int] = 0x07
    data: bytes = field(metadata=rest(0, 64), default=b"")


@frozen
class Refused(Message):
    """A frame changed nothing."""

    TYPE: ClassVar[int] = 0x08
    WAY: ClassVar[Way] = Way.AGENT
    type: int = field(metadata=U8)
    code: Refusal = field(metadata=enum(U16, Refusal))
    message: str = field(metadata=TEXT)


@frozen
class Limit(Message):
    """No START of this channel is taken while so many commands run, whoever started them."""

    TYPE: ClassVar[int] = 0x09
    WAY: ClassVar[Way] = Way.HOST
    running: int = field(metadata=U32)


CONNECTION_MESSAGES: tuple[type[Message], ...] = (
    Hello,
    Auth,
    Welcome,
    Error,
    Goodbye,
    Ping,
    Pong,
    Refused,
    Limit,
)
