"""Forwarded calls in the store."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import attrs

from devbench_core.contracts.store import Put, Record
from devbench_core.errors import DevbenchError
from devbench_core.forwarding.settings import FORWARDED_KIND
from devbench_core.json_types import JsonObject
from devbench_core.model.caller import Caller
from devbench_core.records import from_json, to_json
from devbench_core.values import frozen

KIND = FORWARDED_KIND


class State(StrEnum):
    """How far a call has got. Only whoever asks may take back what is asked; only whom it is for, take it."""

    ASKED = "asked"
    TAKEN = "taken"
    ANSWERED = "answered"


@frozen
class Failure:
    """An error, to be raised again where the call came from."""

    code: str
    message: str
    hint: str
    details: dict[str, Any]


@frozen
class Forwarded:
    """A call.

    Attributes:
        id: Its key.
        to: The host that shall serve it.
        operation: What it shall do.
        caller: In whose name.
        arguments: JSON.
        expires_at: When nobody waits for it any more.
        state: How far it has got.
        answer: Of one that succeeded.
        failure: Of one that did not.
        revision: As it was read.
    """

    id: str
    to: str
    operation: str
    caller: Caller
    arguments: dict[str, Any]
    expires_at: datetime
    state: State = State.ASKED
    answer: dict[str, Any] | None = None
    failure: Failure | None = None
    revision: int = 0


def put(call: Forwarded) -> Put:
    """Return the change that writes a call, expecting the revision it was read at.

    Whom it is for finds it while it is asked: from then on it is its asker's, who removes it.
    """
    data = to_json(attrs.evolve(call, revision=0))
    terms = frozenset({to(call.to)}) if call.state is State.ASKED else frozenset[str]()
    return Put(kind=KIND, key=call.id, data=data, terms=terms, expect=call.revision)


def to(instance: str) -> str:
    """Return the word by which calls for a host are found that it has not taken."""
    return f"to={instance}"


def read(record: Record) -> Forwarded:
    """Return the call of a record."""
    return attrs.evolve(from_json(Forwarded, record.data), revision=record.revision)


def failure_of(error: DevbenchError) -> Failure:
    """Return an error as it is written down."""
    details: JsonObject = {}
    for name, value in error.details.items():
        if value is None or isinstance(value, str | int | float | bool):
            details[name] = value
    return Failure(code=error.code, message=error.message, hint=error.hint, details=details)


def error_of(failure: Failure) -> DevbenchError:
    """Return the error that was written down; of a code that is not known here, the plainest."""
    kind = next((each for each in _all_below(DevbenchError) if each.code == failure.code), DevbenchError)
    error = kind.__new__(kind)
    DevbenchError.__init__(error, failure.message, hint=failure.hint, details=failure.details)
    return error


def _all_below(kind: type[DevbenchError]) -> list[type[DevbenchError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in _all_below(below))]
