"""Reads durations, sizes and pairs as people write them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from devbench_core.errors import ValidationFailed

NEVER = "never"
SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def duration_s(option: str, text: str) -> float | None:
    """Return seconds for ``90``, ``90s``, ``15m``, ``8h`` or ``2d``; None for ``never``.

    Raises:
        ValidationFailed: It is none of these, or zero.
    """
    if text.strip().lower() == NEVER:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip().lower())
    value = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if value <= 0:
        raise ValidationFailed(option, f"{text!r} is no duration", hint="write 90s, 15m, 8h, 2d or never")
    return value


def size_bytes(option: str, text: str) -> int:
    """Return bytes for ``512M``, ``2g``, ``1GiB`` or a plain number.

    Raises:
        ValidationFailed: It is none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    if not found:
        raise ValidationFailed(option, f"{text!r} is no size", hint="write 512M or 2G")
    return int(float(found[1]) * BYTES[found[2]])


def pairs(option: str, texts: Iterable[str], *, inherit: bool = False) -> dict[str, str]:
    """Return ``KEY=VALUE`` pairs as a mapping; a later one wins.

    Args:
        option: For the error.
        texts: As given.
        inherit: Whether a bare ``KEY`` takes its value from this process's environment.

    Raises:
        ValidationFailed: One is no pair, or names a variable that is not set here.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or (not equals and not inherit):
            raise ValidationFailed(option, f"{text!r} is no pair", hint=f"write {option} KEY=VALUE")
        if not equals:
            if key not in os.environ:
                raise ValidationFailed(option, f"variable {key!r} is not set here", hint="write KEY=VALUE")
            value = os.environ[key]
        found[key] = value
    return found
