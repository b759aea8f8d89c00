"""Bytes as JSON can carry them, exactly: text where they are UTF-8, else base64."""

from __future__ import annotations

import base64
import binascii
import codecs

from devbench_core.errors import ValidationFailed

CONTROLS_MAX_SHARE = 4
"""Bytes of which more than one in so many is a control character are no text; JSON makes six of each."""
CHARACTER_MAX_BYTES = 4
_CONTROLS = bytes(code for code in range(32) if chr(code) not in "\b\f\n\r\t")


def as_text(data: bytes) -> str | None:
    """Return the text, or None when it is not UTF-8 or so full of control characters that it is no text."""
    controls = len(data) - len(data.translate(None, _CONTROLS))
    if controls * CONTROLS_MAX_SHARE > len(data):
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def text_page(data: bytes, most: int, *, last: bool) -> str | None:
    """Return as much text as ``most`` bytes hold, never half a character; None when it is no text.

    Args:
        data: What was read.
        most: How many bytes of it may be taken.
        last: Whether nothing comes behind ``data``.
    """
    page = data[:most]
    if last and len(page) == len(data):
        return as_text(page)
    _, _, fragment = cut_edges(page)
    return as_text(page[: len(page) - len(fragment)])


def to_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def from_base64(field: str, text: str) -> bytes:
    """Return the bytes.

    Raises:
        ValidationFailed: It is not standard base64; names the field.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValidationFailed(
            field, "is not base64", hint="use the standard alphabet with padding and no line breaks"
        ) from error


def one_content(text_field: str, text: str | None, base64_field: str, encoded: str | None) -> bytes | None:
    """Return the bytes given in one of two ways, or None when neither was given.

    Raises:
        ValidationFailed: Both were given, or one cannot be decoded.
    """
    if text is not None and encoded is not None:
        raise ValidationFailed(text_field, f"and {base64_field} exclude each other", hint="give one of them")
    if encoded is not None:
        return from_base64(base64_field, encoded)
    if text is None:
        return None
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValidationFailed(
            text_field, "holds half of a surrogate pair", hint=f"use {base64_field} for arbitrary bytes"
        ) from error


def cut_edges(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Split off the fragments of characters that a page's edges cut through.

    Returns:
        Up to three bytes that continue a character, the middle, up to three bytes that begin one.
    """
    start = 0
    while start < min(len(data), CHARACTER_MAX_BYTES - 1) and data[start] & 0xC0 == 0x80:
        start += 1
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(data[start:])
    except UnicodeDecodeError:
        return b"", data, b""
    pending, _ = decoder.getstate()
    end = len(data) - len(pending)
    return data[:start], data[start:end], data[end:]
