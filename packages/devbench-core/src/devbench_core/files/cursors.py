"""Cursors of searches: a path as text that any channel carries, whatever its bytes, and a place in a file."""

from __future__ import annotations

from urllib.parse import quote_from_bytes, unquote_to_bytes

from devbench_core.errors import ValidationFailed

CURSOR_MAX = 16_384


def path_cursor(path: bytes) -> str:
    """Return the cursor of a path."""
    return quote_from_bytes(path)


def cursor_path(cursor: str) -> bytes:
    """Return the path of a cursor; "" is the beginning.

    Raises:
        ValidationFailed: It is no cursor.
    """
    if len(cursor) > CURSOR_MAX or not cursor.isascii():
        raise no_cursor()
    path = unquote_to_bytes(cursor)
    names = path.split(b"/") if path else []
    if b"\0" in path or len(path) > 4095 or any(name in {b"", b".", b".."} for name in names):
        raise no_cursor()
    if any(len(name) > 255 for name in names):
        raise no_cursor()
    return path


def no_cursor() -> ValidationFailed:
    """Return the error for what is no cursor."""
    return ValidationFailed(
        "after", "is no cursor of a search", hint="give the cursor of the page before, unchanged"
    )
