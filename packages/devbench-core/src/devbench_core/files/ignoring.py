"""What is left out of exports and copies: patterns as in a ``.gitignore``, in one place.

A pattern without a slash matches a name anywhere; one with a slash a path from the top. ``*`` and ``?`` do not match
a slash, ``**`` does. One that ends in a slash matches folders only; ``!`` takes a path in again, and the last that
matches counts. What is beneath a folder that is left out is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from devbench_core.errors import ValidationFailed

PATTERNS_MAX = 1000
PATTERN_MAX_CHARACTERS = 500
STARS_MAX = 8  # in one pattern: more make a match slow


@attrs.frozen
class _Pattern:
    expression: re.Pattern[str]
    folders_only: bool
    takes_in: bool


class Ignore:
    """Says what is left out.

    Args:
        patterns: One by one; empty ones and those that begin with ``#`` mean nothing.
        field: Whose fault a wrong one is.

    Raises:
        ValidationFailed: They are too many or too long.
    """

    def __init__(self, patterns: Sequence[str] = (), field: str = "ignore") -> None:
        if len(patterns) > PATTERNS_MAX:
            raise ValidationFailed(field, f"has more than {PATTERNS_MAX} patterns", limit=PATTERNS_MAX)
        self._patterns = [made for text in patterns if (made := _pattern(text, field)) is not None]

    def leaves_out(self, path: str, *, folder: bool) -> bool:
        """Tell whether a path, whose folders above are taken, is left out."""
        for pattern in reversed(self._patterns):
            if (folder or not pattern.folders_only) and pattern.expression.fullmatch(path):
                return not pattern.takes_in
        return False


def _pattern(text: str, field: str) -> _Pattern | None:
    text = text.strip()
    if not text or text.startswith("#"):
        return None
    if len(text) > PATTERN_MAX_CHARACTERS or text.count("*") > STARS_MAX:
        raise ValidationFailed(
            field,
            f"has a pattern that is over {PATTERN_MAX_CHARACTERS} characters or {STARS_MAX} stars: {text[:80]!r}",
            limit=PATTERN_MAX_CHARACTERS,
        )
    takes_in = text.startswith("!")
    text = text.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    anchored = "/" in text
    expression = _expression(text.lstrip("/"))
    return _Pattern(
        re.compile(expression if anchored else f"(?:.*/)?{expression}", re.DOTALL), folders_only, takes_in
    )


def _expression(text: str) -> str:
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
        elif text.startswith("**", at):
            parts.append(".*")
            at += 2
        else:
            one = text[at]
            parts.append("[^/]*" if one == "*" else "[^/]" if one == "?" else re.escape(one))
            at += 1
    return "".join(parts)
