"""Linearizability of a history: the search of Wing and Gong, with Lowe's memory of what was tried in vain.

Wing, Gong: *Testing and Verifying Concurrent Objects* (1993); Lowe: *Testing for linearizability* (2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence

import attrs

CONFIGURATIONS = 200_000
"""How many of them are tried of one key, before nothing can be said."""


@attrs.frozen(kw_only=True)
class Operation:
    """One call of a client.

    Attributes:
        key: What it is about; histories of different keys are independent.
        name: What was asked.
        asked: With what.
        told: The answer; None where the outcome is not known.
        called: When it began, in seconds.
        back: When it ended; infinite where the outcome is not known: it may still happen, or never.
    """

    key: str
    name: str
    asked: Hashable = None
    told: Hashable = None
    called: float
    back: float = math.inf


Step = Callable[[Hashable, Operation], Iterable[Hashable]]
"""From a state by an operation to the states that its answer allows: none when it contradicts the state."""


class TooManyError(Exception):
    """The history is too tangled to be decided within `CONFIGURATIONS`."""


def refuted(history: Sequence[Operation], step: Step, initial: Hashable) -> list[Operation]:
    """Return the operations of the first key whose history no order explains; empty when all are explained.

    Raises:
        TooManyError: It was not decided.
    """
    keys: dict[str, list[Operation]] = {}
    for operation in history:
        keys.setdefault(operation.key, []).append(operation)
    for operations in keys.values():
        if not _explained(sorted(operations, key=lambda each: each.called), step, initial):
            return operations
    return []


def _explained(operations: list[Operation], step: Step, initial: Hashable) -> bool:
    """Tell whether some order of them, each between its two ends, begins at the state and contradicts nothing."""
    known = sum(1 << number for number, each in enumerate(operations) if each.back != math.inf)
    seen: set[tuple[int, Hashable]] = {(0, initial)}
    left = [(0, initial)]
    while left:
        done, state = left.pop()
        if done & known == known:
            return True  # what is not known of the others need never have happened
        for number in _next(operations, done):
            for after in step(state, operations[number]):
                found = (done | 1 << number, after)
                if found not in seen:
                    seen.add(found)
                    left.append(found)
        if len(seen) > CONFIGURATIONS:
            raise TooManyError(f"{len(operations)} operations of {operations[0].key}")
    return False


def _next(operations: list[Operation], done: int) -> list[int]:
    """Return those that may be next: no other that is not done ended before they began."""
    found: list[int] = []
    first_back = math.inf
    for number, operation in enumerate(operations):
        if operation.called > first_back:
            break
        if not done >> number & 1:
            found.append(number)
            first_back = min(first_back, operation.back)
    # the last one is tried first: those that are known to have happened before those that may never have
    return sorted(found, key=lambda number: -operations[number].back)
