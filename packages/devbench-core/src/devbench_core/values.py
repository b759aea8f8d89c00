"""Values: frozen attrs classes that are cheap to define.

attrs writes and compiles comparison, hash and text anew for each class, which takes longer than the rest of the class.
A program that starts defines a hundred of them and compares the instances of few, so these three are here once for all.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, dataclass_transform

import attrs

__all__ = ["frozen"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class what ``attrs.frozen(kw_only=True)`` makes of it.

    Args:
        cls: A class with annotated fields. What it defines itself of ``__eq__``, ``__hash__`` and ``__repr__`` stays.

    Returns:
        The frozen class. Two instances are equal when they are of the same class and the fields that count
        (``attrs.field(eq=…)``) are; fields of ``repr=False`` are not shown.
    """
    own = vars(cls)
    if "__eq__" not in own:
        cls.__eq__ = _equal
        if "__hash__" not in own:
            cls.__hash__ = _hash
    if "__repr__" not in own:
        cls.__repr__ = _text
    return attrs.frozen(kw_only=True, eq=False, repr=False)(cls)


def _equal(self: Any, other: object) -> bool:
    if self is other:
        return True
    if other.__class__ is not self.__class__:
        return NotImplemented
    return all(getattr(self, name) == getattr(other, name) for name in _compared(self.__class__))


def _hash(self: Any) -> int:
    kind: type = self.__class__
    return hash((kind, *[getattr(self, name) for name in _compared(kind)]))


def _text(self: Any) -> str:
    kind: type = self.__class__
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in _shown(kind))
    return f"{kind.__qualname__.rsplit('>.', 1)[-1]}({shown})"


@cache
def _compared(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(kind) if field.eq)


@cache
def _shown(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(kind) if field.repr)
