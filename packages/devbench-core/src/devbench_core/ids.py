"""Opaque, prefixed ids: the prefix is for people, the rest is random."""

from __future__ import annotations

import re
import secrets

from devbench_core.errors import ValidationFailed

CONTAINER = "c"
EXEC = "x"
FORWARDED = "f"
INSTANCE = "i"
INSTALLATION = "n"
TASK = "t"
PREFIXES = frozenset({CONTAINER, EXEC, FORWARDED, INSTANCE, INSTALLATION, TASK})
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
RANDOM_LENGTH = 20  # 32**20 = 100 bits: no two will ever meet
_PATTERN = re.compile(rf"([a-z]+)_[{ALPHABET}]{{{RANDOM_LENGTH}}}")


def new_id(prefix: str) -> str:
    """Return a fresh id such as ``c_3k9…``: the prefix, an underscore and 20 characters of base 32."""
    return prefix + "_" + "".join([ALPHABET[byte % 32] for byte in secrets.token_bytes(RANDOM_LENGTH)])


def is_id(text: str, prefix: str) -> bool:
    """Tell whether a text has the form of an id with this prefix."""
    match = _PATTERN.fullmatch(text)
    return match is not None and match.group(1) == prefix


def check_id(text: str, prefix: str, field: str) -> str:
    """Return the id unchanged.

    Raises:
        ValidationFailed: The text is not an id of this kind.
    """
    if not is_id(text, prefix):
        raise ValidationFailed(field, f"{text[:80]!r} is not an id like {prefix}_{'0' * 6}…")
    return text
