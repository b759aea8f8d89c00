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


def place_cursor(path: bytes, place: int, number: int) -> str:
    """Return the cursor of a place in a file: a byte, and the number of the line that begins there."""
    return f"{quote_from_bytes(path)}:{place}:{number}"


def cursor_place(cursor: str) -> tuple[bytes, int, int]:
    """Return path, byte and line of a cursor; "" is the beginning.

    Raises:
        ValidationFailed: It is no cursor.
    """
    if not cursor:
        return b"", 0, 0
    path, *numbers = cursor.split(":")
    if len(numbers) != 2 or not all(
        each.isascii() and each.isdigit() and len(each) <= 20 for each in numbers
    ):
        raise no_cursor()
    place, number = (int(each) for each in numbers)
    if (place > 2**62 and place != 2**64 - 1) or number > 2**62:
        raise no_cursor()
    return cursor_path(path), place, number
