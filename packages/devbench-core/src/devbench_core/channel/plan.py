"""How the fields of a frame travel: neighbouring numbers at once, since each step costs a command its time."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import attrs

from devbench_core.channel.wire import WIRE, Cursor, Kind, field_of


class _Numbers:
    """Neighbouring numbers: they cross at once."""

    def __init__(self, fields: Sequence[tuple[str, Kind]]) -> None:
        self._form = struct.Struct(">" + "".join(kind.code for _, kind in fields))
        self._names = [name for name, _ in fields]
        self._converts = [(name, kind.convert) for name, kind in fields if kind.convert is not None]

    def read(self, cursor: Cursor, values: dict[str, Any]) -> None:
        values.update(zip(self._names, cursor.numbers(self._form), strict=True))
        for name, convert in self._converts:
            values[name] = convert(values[name])

    def write(self, out: bytearray, value: object) -> None:
        out += self._form.pack(*[getattr(value, name) for name in self._names])


class _Single:
    """Any one field."""

    def __init__(self, fields: Sequence[tuple[str, Kind]]) -> None:
        ((self._name, self._kind),) = fields

    def read(self, cursor: Cursor, values: dict[str, Any]) -> None:
        values[self._name] = self._kind.read(cursor)

    def write(self, out: bytearray, value: object) -> None:
        self._kind.write(out, getattr(value, self._name))


class Plan:
    """How the fields of a value travel, in their order."""

    def __init__(self, type_: type[Any]) -> None:
        found = [
            (field.name, field.metadata[WIRE]) for field in attrs.fields(type_) if WIRE in field.metadata
        ]
        self._steps: list[_Numbers | _Single] = []
        for number, group in groupby(found, key=lambda each: bool(each[1].code)):
            if number:
                self._steps.append(_Numbers(list(group)))
            else:
                self._steps += [_Single([each]) for each in group]

    def read(self, cursor: Cursor) -> dict[str, Any]:
        """Return the fields.

        Raises:
            Malformed: The payload is not what the type says.
        """
        values: dict[str, Any] = {}
        for step in self._steps:
            step.read(cursor, values)
        return values

    def write(self, out: bytearray, value: object) -> None:
        """Add the fields.

        Raises:
            Malformed: A field is out of its bounds.
            struct.error: A number does not fit.
        """
        for step in self._steps:
            step.write(out, value)


def nested(type_: type[Any]) -> Mapping[str, Kind]:
    """Return a field that is itself a value with fields."""
    plan = Plan(type_)

    def read(cursor: Cursor) -> Any:
        return type_(**plan.read(cursor))

    return field_of(Kind(read=read, write=plan.write))
