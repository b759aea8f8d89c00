"""What an engine answers: errors, and JSON where any table may be null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

TEXT_MAX = 500


class EngineAnswer(Exception):
    """An answer of the engine that is an error: its HTTP status and its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message[:TEXT_MAX]


def table(parent: Mapping[str, Any] | None, *keys: str) -> dict[str, Any]:
    """Return the table beneath keys, empty where one of them is absent, null or no table."""
    found: object = parent
    for key in keys:
        found = cast("Mapping[str, object]", found).get(key) if isinstance(found, Mapping) else None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
