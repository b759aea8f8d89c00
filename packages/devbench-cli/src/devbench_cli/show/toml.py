"""Writes JSON-like values as TOML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(values: Mapping[str, Any]) -> str:
    """Return TOML. What is None becomes a comment: TOML has no null."""
    return "\n".join(_table(values, ())).strip()


def _table(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for name, value in values.items():
        if value is None:
            yield f"# {_key(name)} is not set"
        elif not isinstance(value, Mapping):
            yield f"{_key(name)} = {_value(value)}"
    for name, value in values.items():
        if isinstance(value, Mapping):
            inner = (*path, name)
            yield ""
            yield f"[{'.'.join(_key(part) for part in inner)}]"
            yield from _table(cast("Mapping[str, Any]", value), inner)


def _key(name: str) -> str:
    return name if BARE_KEY.fullmatch(name) else _literal(name)


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value).items()
        inner = ", ".join(f"{_key(key)} = {_value(item)}" for key, item in pairs if item is not None)
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in cast('list[object]', value))}]"
    return _literal(value)


def _literal(value: object) -> str:
    """Return JSON's notation, which is TOML's too except for DEL and for what JSON writes as surrogate pairs."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
