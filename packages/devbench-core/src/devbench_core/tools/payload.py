"""An error as every front end shows it: the same fields, the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from devbench_core.errors import DevbenchError
from devbench_core.json_types import JsonObject, JsonValue
from devbench_core.tools.path_text import shown

DEPTH_MAX = 6
"""Details are small facts; whatever is nested deeper is shown as text."""


def error_payload(error: DevbenchError) -> JsonObject:
    """Return ``{"code", "message", "hint", "retry", "details"}`` of an error, as JSON values.

    ``retry`` tells whether the same call may succeed later with nothing changed by the caller.
    """
    return {
        "code": error.code,
        "message": _text(error.message),
        "hint": _text(error.hint),
        "retry": error.retry,
        "details": {
            str(key): shown(value) if key == "path" and isinstance(value, str) else _json(value)
            for key, value in error.details.items()
        },
    }


def error_text(error: DevbenchError) -> str:
    """Return the error as an agent reads it: what happened, what to do, and whether to repeat the call."""
    lines = [f"{error.code}: {_text(error.message)}"]
    if error.hint:
        lines.append(f"hint: {_text(error.hint)}")
    lines.append(
        "retry: yes, the same call may succeed later" if error.retry else "retry: no, change something first"
    )
    return "\n".join(lines)


def _text(text: str) -> str:
    """Return text that JSON can carry: what stands for bytes of a name becomes an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _json(value: object, depth: int = 0) -> JsonValue:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < DEPTH_MAX and isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value)
        return {_text(str(key)): _json(item, depth + 1) for key, item in pairs.items()}
    if depth < DEPTH_MAX and isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        return [_json(item, depth + 1) for item in cast("Sequence[object]", value)]
    return _text(str(value))
