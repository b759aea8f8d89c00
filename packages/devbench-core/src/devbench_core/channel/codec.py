"""Frames to bytes and back. The decoder holds at most one frame beyond what it was fed, and never more than allowed."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MappingProxyType

from devbench_core.channel.batch_messages import BATCH_MESSAGES
from devbench_core.channel.change_messages import CHANGE_MESSAGES
from devbench_core.channel.codes import Way
from devbench_core.channel.exec_messages import EXEC_MESSAGES, Start
from devbench_core.channel.file_messages import FILE_MESSAGES
from devbench_core.channel.messages import CONNECTION_MESSAGES, Message
from devbench_core.channel.plan import Plan
from devbench_core.channel.search_messages import SEARCH_MESSAGES
from devbench_core.channel.watch_messages import WATCH_MESSAGES
from devbench_core.channel.wire import Cursor, Malformed

HEADER = struct.Struct(">IBBI")
PAYLOAD_MAX = 262_144
START_PAYLOAD_MAX = 4_194_304
EARLY_PAYLOAD_MAX = 4_096  # before authentication
ID_MAX = 2**32 - 1

MESSAGES: Mapping[int, type[Message]] = MappingProxyType(
    {
        message.TYPE: message
        for messages in (
            CONNECTION_MESSAGES,
            EXEC_MESSAGES,
            FILE_MESSAGES,
            CHANGE_MESSAGES,
            WATCH_MESSAGES,
            BATCH_MESSAGES,
            SEARCH_MESSAGES,
        )
        for message in messages
    }
)
_PLANS: Mapping[type[Message], Plan] = MappingProxyType(
    {message: Plan(message) for message in MESSAGES.values()}
)


class TooLarge(Malformed):
    """A frame is above its limit."""


class Unexpected(Malformed):
    """A frame may not come from this side or now, or its type is unknown."""


def payload_max(type_: int, *, early: bool) -> int:
    """Return the largest payload of a type, in bytes."""
    if early:
        return EARLY_PAYLOAD_MAX
    return START_PAYLOAD_MAX if type_ == Start.TYPE else PAYLOAD_MAX


def encode(message: Message) -> bytes:
    """Return a frame.

    Raises:
        Malformed: A field is out of its bounds, or the whole is too large.
    """
    out = bytearray(HEADER.size)
    try:
        _PLANS[type(message)].write(out, message)
        length = len(out) - HEADER.size
        if length > payload_max(message.TYPE, early=False):
            raise TooLarge(f"{type(message).__name__} of {length} bytes")
        HEADER.pack_into(out, 0, length, message.TYPE, 0, message.id)
    except struct.error as error:
        raise Malformed(f"{type(message).__name__}: {error}") from error
    return bytes(out)


def decode(type_: int, number: int, payload: bytes) -> Message:
    """Return the message of a frame.

    Raises:
        Unexpected: The type is unknown.
        Malformed: The payload is not what the type says.
    """
    message = MESSAGES.get(type_)
    if message is None:
        raise Unexpected(f"a frame of the unknown type {type_:#04x}")
    cursor = Cursor(payload)
    values = _PLANS[message].read(cursor)
    cursor.finish()
    return message(id=number, **values)


class FrameDecoder:
    """Cuts a stream of bytes into messages from the other side.

    Attributes:
        early: Whether only the small frames before authentication are allowed.
    """

    def __init__(self, sender: Way) -> None:
        self.early = True
        self._allowed = (sender, Way.BOTH)
        self._buffer = bytearray()
        self._position = 0

    def feed(self, data: bytes) -> None:
        """Add bytes; then call `next` until it returns None."""
        if self._position:
            del self._buffer[: self._position]
            self._position = 0
        self._buffer += data

    def next(self) -> Message | None:
        """Return the next whole message, or None when more bytes are needed.

        Raises:
            TooLarge: The next frame is above its limit; nothing more can be read.
            Unexpected: Its type is unknown or comes from the wrong side.
            Malformed: It does not parse.
        """
        start = self._position
        if len(self._buffer) - start < HEADER.size:
            return None
        length, type_, flags, number = HEADER.unpack_from(self._buffer, start)
        self._check(type_, flags, length)
        end = start + HEADER.size + length
        if len(self._buffer) < end:
            return None
        payload = bytes(memoryview(self._buffer)[start + HEADER.size : end])
        self._position = end
        return decode(type_, number, payload)

    @property
    def pending_bytes(self) -> int:
        """Bytes that are held until their frame is whole."""
        return len(self._buffer) - self._position

    def _check(self, type_: int, flags: int, length: int) -> None:
        message = MESSAGES.get(type_)
        if message is None or message.WAY not in self._allowed:
            raise Unexpected(f"a frame of the type {type_:#04x}")
        if flags:
            raise Malformed(f"flags {flags:#04x} are not 0")
        if length > payload_max(type_, early=self.early):
            raise TooLarge(f"{message.__name__} of {length} bytes")
