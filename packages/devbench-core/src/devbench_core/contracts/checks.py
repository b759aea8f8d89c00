"""Checks that every store shares."""

from __future__ import annotations

from devbench_core.contracts.store import Put, Remove
from devbench_core.errors import Conflict, ValidationFailed

NAME_MAX = 200
PAGE_MAX = 1000


def check_name(field: str, text: str) -> str:
    """Return a kind, key or log name unchanged.

    Raises:
        ValidationFailed: It is empty, too long or holds NUL.
    """
    if not 0 < len(text) <= NAME_MAX or "\0" in text:
        raise ValidationFailed(field, f"must be 1-{NAME_MAX} characters without NUL", limit=NAME_MAX)
    return text


def check_list(limit: int) -> int:
    """Return a page's limit unchanged.

    Raises:
        ValidationFailed: It is out of bounds.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise ValidationFailed("limit", f"must be 1-{PAGE_MAX}", limit=PAGE_MAX)
    return limit


def revision_conflict(change: Put | Remove, found: int) -> Conflict:
    """Return the error for an expectation that did not hold."""
    return Conflict(
        f"{change.kind} {change.key!r} is at revision {found}, not {change.expect}",
        hint="read it again and repeat the change",
        details={"kind": change.kind, "key": change.key, "revision": found},
    )
