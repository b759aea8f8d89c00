"""Where the work of a task stands, and what every kind of work can say of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Protocol

from devbench_core.model.caller import Caller
from devbench_core.tool import ToolOutput
from devbench_core.values import frozen
from devbench_mcp.tasks.records import Outcome, TaskRecord


@frozen
class Standing:
    """Where it stands.

    Attributes:
        message: One sentence, for people.
        outcome: How it ended; None while it goes on.
    """

    message: str
    outcome: Outcome | None = None


def ended(outcome: Outcome) -> Standing:
    """Return where work stands that has ended."""
    return Standing(message=outcome.message, outcome=outcome)


class Work(Protocol):
    """One kind of work that calls are answered with tasks for."""

    @property
    def kept(self) -> timedelta:
        """How long its result is there after its end at most."""
        ...

    async def look(self, record: TaskRecord) -> Standing:
        """Return where it stands.

        Raises:
            NotFound: It was forgotten.
            StoreFailed: The store could not be read.
        """
        ...

    async def result(self, record: TaskRecord) -> ToolOutput | dict[str, Any]:
        """Return what the call gave, of work that is completed: a tool's output, or a result as it is sent."""
        ...

    async def news(self, record: TaskRecord, seen: object, wait_s: float) -> object:
        """Wait until it may stand elsewhere, or for so long; returns what was seen, for the next call.

        Raises:
            NotFound: It was forgotten.
        """
        ...

    async def cancel(self, record: TaskRecord, caller: Caller) -> None:
        """End it, or ask whoever does it to. Idempotent.

        Raises:
            Vetoed: A reviewer refuses.
            AgentUnavailable: The agent cannot be reached.
        """
        ...
