"""Linearizability of a history: the search of Wing and Gong, with Lowe's memory of what was tried in vain.

Wing, Gong: *Testing and Verifying Concurrent Objects* (1993); Lowe: *Testing for linearizability* (2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

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
    seen: set[tuple[int, Hashable]] = set()
    left = [iter([(0, initial)])]
    while left:
        found = next(left[-1], None)
        if found is None:
            left.pop()
        elif not known & ~found[0]:
            return True  # what is not known of the others need never have happened
        elif found not in seen:
            seen.add(found)
            if len(seen) > CONFIGURATIONS:
                raise TooManyError(f"{len(operations)} operations of {operations[0].key}")
            left.append(_after(operations, known, step, *found))
    return False


def _after(
    operations: list[Operation], known: int, step: Step, done: int, state: Hashable
) -> Iterator[tuple[int, Hashable]]:
    """Give what may follow a configuration; made when it is asked for, as most of it never is."""
    for number in _next(operations, known, done):
        for after in step(state, operations[number]):
            if after != state or known >> number & 1:  # else it may as well happen later, or never
                yield done | 1 << number, after


def _next(operations: list[Operation], known: int, done: int) -> list[int]:
    """Return those that may be next: no other that is not done ended before they began."""
    left = known & ~done
    first = (left & -left).bit_length() - 1
    found = _ones(~(known | done) & (1 << first) - 1)  # they began before it, and may be done at any time
    first_back = math.inf
    for number in range(first, len(operations)):
        operation = operations[number]
        if operation.called > first_back:
            break
        if not done >> number & 1:
            found.append(number)
            first_back = min(first_back, operation.back)
    # those that are known to have happened before those that may never have, and of these the latest
    return sorted(found, key=lambda number: (operations[number].back, -number))


def _ones(bits: int) -> list[int]:
    """Return the numbers of the bits that are set."""
    found: list[int] = []
    while bits:
        lowest = bits & -bits
        found.append(lowest.bit_length() - 1)
        bits ^= lowest
    return found
