"""What shared things do, one operation after the other: the models that histories are compared with."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import cast

from harness.histories.checker import Operation


def register(state: Hashable, operation: Operation) -> Iterable[Hashable]:
    """``read`` tells the value; ``write`` sets it; ``swap`` of (old, new) sets it where it was old, and tells that."""
    if operation.name == "read":
        return [state] if operation.told in {None, (state,)} else []
    if operation.name == "write":
        return [operation.asked]
    old, new = cast("tuple[Hashable, Hashable]", operation.asked)
    if operation.told is None or operation.told == (state == old):
        return [new if state == old else state]
    return []


def claim(state: Hashable, operation: Operation) -> Iterable[Hashable]:
    """An idempotency key: the first ``start`` makes something, every one tells the same of it."""
    if state is not None:
        return [state] if operation.told in {None, state} else []
    return [operation.told] if operation.told is not None else []


def name(state: Hashable, operation: Operation) -> Iterable[Hashable]:
    """An alias: ``take`` tells whether it was free; ``give`` ends what one that was asked for has taken.

    A ``give`` whose taking was not seen yet contradicts, as it names what a ``take`` of its asker must have told. Of
    one that was refused for another reason nobody knows whether he had it meanwhile: ``try`` takes it if it is free,
    or not; by ``leave`` he does not have it any more.
    """
    free, his = state is None, state == operation.asked
    if operation.name == "try":
        return [state, operation.asked] if free else [state]
    if operation.name == "leave":
        return [None if his else state]
    if operation.name == "take":
        if free:
            return [operation.asked] if operation.told in {None, True} else []
        return [state] if operation.told in {None, False} else []
    return [None] if his else []


def mutex(state: Hashable, operation: Operation) -> Iterable[Hashable]:
    """A lock with fencing tokens; the state is (whether held, greatest token).

    ``take`` tells a token greater than all before, ``held`` and ``give`` of a token say that it is held. A lease
    that was lost is a ``give`` of unknown outcome: it may have ended at any time.
    """
    held, greatest = cast("tuple[bool, int]", state)
    token = cast("int", operation.told if operation.name == "take" else operation.asked)
    if operation.name == "take":
        return [(True, token)] if not held and token > greatest else []
    if not held or token != greatest:
        return []
    return [(operation.name == "held", greatest)]


def fenced(state: Hashable, operation: Operation) -> Iterable[Hashable]:
    """What is written by fencing tokens; the state is (greatest token, value).

    ``write`` of (token, value) tells whether it was done: when no greater token was there. ``read`` tells the value.
    """
    greatest, value = cast("tuple[int, Hashable]", state)
    if operation.name == "read":
        return [state] if operation.told in {None, (value,)} else []
    token, new = cast("tuple[int, Hashable]", operation.asked)
    fits = token >= greatest
    if operation.told is not None and operation.told != fits:
        return []
    return [(token, new) if fits else state]
