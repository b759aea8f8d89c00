"""Regular expressions of callers: RE2's, whose time grows with the text and never beyond.

Memory and the size of the compiled expression are bounded too, since the time grows with that as well.
"""

from __future__ import annotations

from typing import Protocol

import re2

from devbench_core.errors import ValidationFailed

PROGRAM_MAX = 2000
"""Instructions of all of a call's expressions together; at that RE2 does about 100 KB a second in the worst case."""
MEMORY_BYTES = 512 * 1024
"""Of one compiled expression with its caches; RE2 refuses larger ones. Its module remembers 128 of them."""
GROUPS_MAX = 16
SYNTAX = (
    "the syntax is RE2's, without look-around and back references: https://github.com/google/re2/wiki/Syntax"
)


class Found(Protocol):
    """What a search returns; group 0 is the whole match."""

    def start(self, group: int = 0) -> int:
        """Return where a group begins."""
        ...

    def group(self, group: int = 0) -> bytes | None:
        """Return a group, None when it took no part."""
        ...


class Expression(Protocol):
    """A compiled expression; may be used by several threads."""

    @property
    def groups(self) -> int:
        """How many groups it has."""
        ...

    @property
    def programsize(self) -> int:
        """How many instructions it has."""
        ...

    def search(self, text: bytes, pos: int = 0) -> Found | None:
        """Look for the first match from a position on; what is before that says whether a line or word begins."""
        ...


def compiled(field: str, sources: tuple[str, ...]) -> tuple[Expression, ...]:
    """Compile a call's expressions.

    Raises:
        ValidationFailed: One is no expression of RE2's, would match nothing at all, has too many groups, or they are
            too large together.
    """
    expressions = tuple([_compiled(field, source) for source in sources])
    size = sum(each.programsize for each in expressions)
    if size > PROGRAM_MAX:
        raise ValidationFailed(
            field,
            f"is too complex: {size} instructions, at most {PROGRAM_MAX} are allowed",
            hint="use fewer counted repetitions, as {1,100}, and character classes",
            limit=PROGRAM_MAX,
        )
    return expressions


def _compiled(field: str, source: str) -> Expression:
    options = re2.Options()
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    try:
        expression: Expression = re2.compile(source, options=options)
    except re2.error as error:
        raise ValidationFailed(field, f"{_said(error)} in {source[:80]!r}", hint=SYNTAX) from error
    except UnicodeEncodeError as error:
        raise ValidationFailed(field, "contains characters that cannot be encoded") from error
    if expression.groups > GROUPS_MAX:
        raise ValidationFailed(
            field,
            f"{source[:80]!r} has {expression.groups} groups, at most {GROUPS_MAX} are allowed",
            hint="write (?:…) for those that you do not need",
            limit=GROUPS_MAX,
        )
    if expression.search(b"") is not None:
        raise ValidationFailed(
            field, f"{source[:80]!r} matches nothing at all", hint="let it need at least one character"
        )
    return expression


def _said(error: Exception) -> str:
    words = error.args[0] if error.args else ""
    return words.decode(errors="replace") if isinstance(words, bytes) else str(words)
