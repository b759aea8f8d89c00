"""Text of files in a declared encoding: which there are, how lines end in them, and exact errors."""

from __future__ import annotations

import codecs
import functools
from typing import Literal

from devbench_core.channel.codes import ByteOrder
from devbench_core.errors import TextInvalid, ValidationFailed
from devbench_core.values import frozen

Errors = Literal["strict", "replace", "backslashreplace"]
ERRORS: tuple[Errors, ...] = ("strict", "replace", "backslashreplace")
STATEFUL = ("iso2022", "hz", "utf-7")
"""Encodings whose parts mean nothing without what was before them, by the beginnings of their names."""
TEXT_MIN_BYTES = 4
"""The longest character: a part that may hold less would never go on."""
NOT_OFFERED = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
)
"""Transformations rather than encodings, slow ones, and those of another system."""
SIGNED = frozenset({"utf-16", "utf-32"})
NAME_MAX = 40


@frozen
class Encoding:
    """An encoding.

    Attributes:
        name: Python's own name of it.
        width: Bytes of a unit in which lines end.
        order: Of the bytes of a unit.
        lines: Whether a line feed is looked for as such; false where it is another byte.
    """

    name: str
    width: int
    order: ByteOrder
    lines: bool

    def plain(self, order: ByteOrder) -> str:
        """Return the name to decode a part by that begins after the mark, or with it."""
        return f"{self.name}-{'be' if order is ByteOrder.BIG else 'le'}" if self.name in SIGNED else self.name


@functools.lru_cache(maxsize=64)
def encoding_of(name: str) -> Encoding:
    """Return an encoding by any of its names.

    Raises:
        ValidationFailed: There is none of this name, or it is no encoding of text.
    """
    try:
        info = codecs.lookup(name) if name.isascii() and 0 < len(name) <= NAME_MAX else None
    except (LookupError, ValueError):
        info = None
    hint = "for example utf-8, utf-16, utf-16-le, latin-1, cp1252, shift_jis, gb18030"
    if info is not None and info.name.startswith(STATEFUL):
        raise ValidationFailed(
            "encoding", f"{info.name} is not offered: no part of it can be read alone", hint=hint
        )
    if info is None or not getattr(info, "_is_text_encoding", True) or info.name in NOT_OFFERED:
        raise ValidationFailed("encoding", f"{name[:NAME_MAX]!r} is no encoding of text", hint=hint)
    end = "\n".encode(info.name)
    if info.name in SIGNED:
        return Encoding(name=info.name, width=len(end) // 2, order=ByteOrder.BY_MARK, lines=True)
    big = end[-1:] == b"\n" and len(end) > 1
    order = ByteOrder.BIG if big else ByteOrder.LITTLE
    lines = end.replace(b"\0", b"") == b"\n" or info.name == "utf-8-sig"
    return Encoding(
        name=info.name, width=1 if info.name == "utf-8-sig" else len(end), order=order, lines=lines
    )


@frozen
class Decoded:
    """Text, and how many bytes it was made of: fewer where the end cut through a character."""

    text: str
    used: int


def decode(data: bytes, codec: str, errors: Errors, *, last: bool, path: str, offset: int) -> Decoded:
    r"""Decode a part of a file.

    Args:
        data: The part.
        codec: The encoding.
        errors: What becomes of what is no text: an error, U+FFFD, or ``\xNN``.
        last: Whether the file ends with the part; else a character that its end cuts is left to the next.
        path: For the error.
        offset: Where the part begins in the file, for the error.

    Raises:
        TextInvalid: It is no text; the position is in the file.
    """
    decoder = codecs.getincrementaldecoder(codec)(errors)
    try:
        text = decoder.decode(data, final=last)
    except UnicodeDecodeError as error:
        raise invalid(error, path, offset) from error
    except UnicodeError as error:  # a mark is missing
        raise TextInvalid(
            f"{path!r} is no {codec}: {error}", details={"path": path, "offset": offset}
        ) from error
    pending = decoder.getstate()[0] if not last else b""
    return Decoded(text=text, used=len(data) - len(pending))


def invalid(error: UnicodeDecodeError, path: str, offset: int) -> TextInvalid:
    """Return the error that names the position."""
    at = offset + error.start
    found = error.object[error.start : min(error.end, error.start + 8)]
    return TextInvalid(
        f"{path!r} is no {error.encoding} text at byte {at}: {found.hex(' ')} ({error.reason})",
        hint="read it as bytes, in another encoding, or with errors 'replace' or 'backslashreplace'",
        details={"path": path, "offset": at, "bytes": found.hex(), "encoding": error.encoding},
    )
