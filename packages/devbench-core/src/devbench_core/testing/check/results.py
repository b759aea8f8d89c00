"""What became of each clause."""

from __future__ import annotations

import json
from enum import StrEnum

from devbench_core.json_types import JsonValue
from devbench_core.records import from_json, to_json
from devbench_core.values import frozen


class Outcome(StrEnum):
    """How a clause went."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@frozen
class End:
    """The last line of a run: without it the process ended before the run did.

    Attributes:
        clauses: How many results there are.
    """

    clauses: int

    def line(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps({"ended": self.clauses})


def read_line(text: str) -> Result | End:
    """Return what one of the two `line` wrote.

    Raises:
        ValueError: This is no JSON.
        TypeError: This is neither's.
        StoreFailed: This is no whole result.
    """
    data: JsonValue = json.loads(text)
    if not isinstance(data, dict):
        raise TypeError(f"no result: {text[:80]!r}")
    ended = data.get("ended")
    return End(clauses=ended) if isinstance(ended, int) else from_json(Result, data)


@frozen
class Result:
    """One test of the kit.

    Attributes:
        kind: Of the contract: ``store``, ``lock`` …
        provider: Which provider was held to it.
        clause: The sentence that the test shows, with its case in brackets.
        outcome: How it went.
        seconds: How long it took, set-up and clean-up included.
        reason: Of a skipped one, which capability is not claimed; of a failed one, what was seen.
        stated_by: The parts of the contract whose docstrings state the clause.
    """

    kind: str
    provider: str
    clause: str
    outcome: Outcome
    seconds: float
    reason: str = ""
    stated_by: tuple[str, ...] = ()

    def line(self) -> str:
        """Return it as one line of JSON."""
        return json.dumps(to_json(self))
