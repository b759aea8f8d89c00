"""What clients did, and what they were told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable

import attrs

from harness.histories.checker import Operation


@attrs.define(kw_only=True)
class Book:
    """What clients did, and what they were told.

    Attributes:
        ran: Words of commands, with what their execs are, whose ending was told.
        outputs: Whole outputs of commands, by their ids, as they were told.
        cancelled: Words of commands, with their ids, whose cancelling was told.
        written: Files whose writing was told.
        killed: Containers whose end was told.
        tried: Words that may have been written, whether that was told or not.
        claims: What was told of idempotency keys.
        names: What was told of aliases.
        swaps: What was told of a file that all write to.
        leases: What was told of a lock.
        fenced: What was told of a record that holders of the lock write.
        longest: How long the longest call took with all its repeats, in seconds, and what it was.
        history: Everything in order, for whoever looks for a cause.
    """

    ran: dict[str, str] = attrs.field(factory=dict[str, str])
    outputs: dict[str, str] = attrs.field(factory=dict[str, str])
    cancelled: dict[str, str] = attrs.field(factory=dict[str, str])
    written: dict[str, str] = attrs.field(factory=dict[str, str])
    killed: list[str] = attrs.field(factory=list[str])
    tried: set[str] = attrs.field(factory=set[str])
    claims: list[Operation] = attrs.field(factory=list[Operation])
    names: list[Operation] = attrs.field(factory=list[Operation])
    swaps: list[Operation] = attrs.field(factory=list[Operation])
    leases: list[Operation] = attrs.field(factory=list[Operation])
    fenced: list[Operation] = attrs.field(factory=list[Operation])
    longest: tuple[float, str] = (0.0, "")
    history: list[str] = attrs.field(factory=list[str])

    def note(self, text: str) -> None:
        """Write a line of the history."""
        self.history.append(f"{now():.3f} {text}")


def now() -> float:
    """Return the time that histories are told in, in seconds."""
    return asyncio.get_running_loop().time()


def operation(
    called: float, name: str, *, key: str, asked: Hashable = None, told: Hashable = None, known: bool = True
) -> Operation:
    """Return one that ends now, or whose outcome is not known."""
    back = now() if known else math.inf
    return Operation(key=key, name=name, asked=asked, told=told if known else None, called=called, back=back)
