"""What must be true of the rows, whatever the database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from devbench_core.contracts.checks import SEQ_MAX, check_name, check_terms, decode
from devbench_core.errors import ValidationFailed

FAULTS_MAX = 100
"""So many are told; who has more restores a backup anyway."""


def faults_of_records(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """Say what is wrong with records.

    Args:
        rows: Kind, key, revision, data, terms, and as JSON the terms by which it is found.
    """
    for kind, key, revision, data, terms, found in rows:
        if fault := _fault_of_record(kind, key, revision, data, terms, found):
            yield f"record {kind} {key!r}: {fault}"


def faults_of_logs(rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """Say what is wrong with logs.

    Args:
        rows: Name, and the lowest seq.
    """
    for log, lowest in rows:
        if lowest < 1:
            yield f"log {log!r}: entry {lowest} is below 1"


def _fault_of_record(kind: str, key: str, revision: int, data: str, terms: str, found: str) -> str:
    try:
        check_name("kind", kind)
        check_name("key", key)
        if not isinstance(decode(data), dict):  # pyright: ignore[reportUnnecessaryIsInstance] - it may be anything
            return "its data are no JSON object"
        told = check_terms(json.loads(terms))
    except ValidationFailed as error:
        return error.message
    except (TypeError, ValueError):
        return "its data or terms are no JSON"
    if not 1 <= revision <= SEQ_MAX:
        return f"revision {revision} is none"
    differing = told ^ frozenset(json.loads(found))
    return f"it is found by other terms than it has: {sorted(differing)[0]!r}" if differing else ""
