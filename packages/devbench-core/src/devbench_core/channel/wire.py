"""The primitive fields of the agent's protocol. Reading never trusts a length before it is checked."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any

import attrs

DATA_MAX = 65_536  # bytes of data in one frame of a stream
WIRE = "wire"


class Malformed(Exception):
    """Bytes that the protocol does not allow."""


class Cursor:
    """Reads a payload from its beginning to its end."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes.

        Raises:
            Malformed: There are not that many.
        """
        end = self.position + count
        if end > len(self.data):
            raise Malformed("a payload is too short")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def number(self, form: struct.Struct) -> int:
        """Return the next number.

        Raises:
            Malformed: The payload is too short.
        """
        end = self.position + form.size
        if end > len(self.data):
            raise Malformed("a payload is too short")
        (value,) = form.unpack_from(self.data, self.position)
        self.position = end
        return int(value)

    def numbers(self, form: struct.Struct) -> tuple[int, ...]:
        """Return the next numbers.

        Raises:
            Malformed: The payload is too short.
        """
        start, self.position = self.position, self.position + form.size
        if self.position > len(self.data):
            raise Malformed("a payload is too short")
        return form.unpack_from(self.data, start)

    def finish(self) -> None:
        """Check that all was read.

        Raises:
            Malformed: Bytes are left over.
        """
        if self.position != len(self.data):
            raise Malformed("a payload has bytes left over")


@attrs.frozen(kw_only=True, eq=False)
class Kind:
    """How one field is read from a payload and added to one.

    Attributes:
        code: Of a number, as `struct` knows it: neighbours are read and written at once. "" for anything else.
        convert: What makes the field's value of that number.
    """

    read: Callable[[Cursor], Any]
    write: Callable[[bytearray, Any], None]
    code: str = ""
    convert: Callable[[int], Any] | None = None


def field_of(kind: Kind) -> Mapping[str, Kind]:
    """Return the metadata of a field that travels so."""
    return {WIRE: kind}


def _number(code: str) -> Kind:
    form = struct.Struct(">" + code)

    def read(cursor: Cursor) -> int:
        return cursor.number(form)

    def write(out: bytearray, value: int) -> None:
        out += form.pack(value)

    return Kind(read=read, write=write, code=code)


_U8, _U16, _U32, _U64 = _number("B"), _number("H"), _number("I"), _number("Q")
U8, U16, U32, U64 = field_of(_U8), field_of(_U16), field_of(_U32), field_of(_U64)
I32, I64 = field_of(_number("i")), field_of(_number("q"))


def _flag(value: int) -> bool:
    if value > 1:
        raise Malformed(f"{value} is neither yes nor no")
    return value == 1


def _converted(base: Kind, convert: Callable[[int], Any]) -> Kind:
    def read(cursor: Cursor) -> Any:
        return convert(base.read(cursor))

    return attrs.evolve(base, read=read, convert=convert)


OFFSET_MAX = 2**62
"""Above any byte that will ever be counted; so sums of what an agent says fit their fields."""


def _offset(value: int) -> int:
    if value > OFFSET_MAX:
        raise Malformed(f"{value} is no offset")
    return value


OFFSET = field_of(_converted(_U64, _offset))
BOOL = field_of(_converted(_U8, _flag))


def enum(base: Mapping[str, Kind], type_: type[IntEnum]) -> Mapping[str, Kind]:
    """Return a number that must be one of an enum's values."""
    members = {int(member): member for member in type_}

    def convert(value: int) -> IntEnum:
        try:
            return members[value]
        except KeyError as error:
            raise Malformed(f"{value} is no {type_.__name__}") from error

    return field_of(_converted(base[WIRE], convert))


def raw(count: int) -> Mapping[str, Kind]:
    """Return a field of exactly so many bytes."""

    def read(cursor: Cursor) -> bytes:
        return cursor.take(count)

    def write(out: bytearray, value: bytes) -> None:
        if len(value) != count:
            raise Malformed(f"{count} bytes are needed, not {len(value)}")
        out += value

    return field_of(Kind(read=read, write=write))


def rest(least: int, most: int) -> Mapping[str, Kind]:
    """Return the bytes up to the payload's end."""

    def check(value: bytes) -> bytes:
        if not least <= len(value) <= most:
            raise Malformed(f"{len(value)} bytes of data are outside {least}-{most}")
        return value

    def read(cursor: Cursor) -> bytes:
        return check(cursor.take(len(cursor.data) - cursor.position))

    def write(out: bytearray, value: bytes) -> None:
        out += check(value)

    return field_of(Kind(read=read, write=write))


def _read_string(cursor: Cursor) -> bytes:
    value = cursor.take(_U32.read(cursor))
    if b"\0" in value:
        raise Malformed("a string holds NUL")
    return value


def _write_string(out: bytearray, value: bytes) -> None:
    if b"\0" in value:
        raise Malformed("a string holds NUL")
    _U32.write(out, len(value))
    out += value


_STRING = Kind(read=_read_string, write=_write_string)
_TEXT = Kind(
    read=lambda cursor: _read_string(cursor).decode("utf-8", "replace"),
    write=lambda out, value: _write_string(out, value.encode("utf-8", "replace")),
)


def _write_bytes(out: bytearray, value: bytes) -> None:
    _U32.write(out, len(value))
    out += value


_BYTES = Kind(read=lambda cursor: cursor.take(_U32.read(cursor)), write=_write_bytes)
STRING = field_of(_STRING)  # arbitrary bytes: paths, arguments, names
BYTES = field_of(_BYTES)  # content of files, which may hold NUL
TEXT = field_of(_TEXT)  # for people: messages, keys, features


def many(count: Mapping[str, Kind], item: Mapping[str, Kind], most: int) -> Mapping[str, Kind]:
    """Return a counted list; the count is bounded, and each item takes bytes, so a lie ends at the payload's end."""
    counter, one = count[WIRE], item[WIRE]

    def read(cursor: Cursor) -> tuple[Any, ...]:
        number = counter.read(cursor)
        if number > most:
            raise Malformed(f"a list of {number} is longer than {most}")
        return tuple([one.read(cursor) for _ in range(number)])

    def write(out: bytearray, value: tuple[Any, ...]) -> None:
        if len(value) > most:
            raise Malformed(f"a list of {len(value)} is longer than {most}")
        counter.write(out, len(value))
        for element in value:
            one.write(out, element)

    return field_of(Kind(read=read, write=write))
