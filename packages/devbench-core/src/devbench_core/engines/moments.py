"""Engines' times: RFC 3339 with nanoseconds, and the year 1 for never."""

from __future__ import annotations

from datetime import UTC, datetime

NEVER = "0001-"


def moment(text: object) -> datetime | None:
    """Return a time in UTC, None for never or for what is no time."""
    if not isinstance(text, str) or text.startswith(NEVER):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
