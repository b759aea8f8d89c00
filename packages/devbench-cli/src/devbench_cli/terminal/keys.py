"""The keys that leave a command without ending it."""

from __future__ import annotations

import re

from devbench_core.errors import ValidationFailed

NONE = "none"
KEYS_MAX = 8
_CONTROL = re.compile(r"ctrl-([a-z@\[\\\]^_])")


def parse(option: str, text: str) -> bytes:
    """Return the bytes of a sequence such as ``ctrl-p,ctrl-q`` or ``~,.``; none for ``none``.

    Raises:
        ValidationFailed: A key is none.
    """
    if text.strip().lower() == NONE:
        return b""
    keys = text.split(",")
    if len(keys) > KEYS_MAX:
        raise ValidationFailed(
            option, f"has {len(keys)} keys, at most {KEYS_MAX} are allowed", limit=KEYS_MAX
        )
    return b"".join(_byte(option, key.strip()) for key in keys)


def _byte(option: str, key: str) -> bytes:
    found = _CONTROL.fullmatch(key.lower())
    if found:
        return bytes([ord(found[1].upper()) & 0x1F])
    if len(key) == 1 and key.isascii() and key.isprintable():
        return key.encode()
    raise ValidationFailed(
        option, f"{key!r} is no key", hint="separate keys by commas: ctrl-p,ctrl-q or ~,. or none"
    )


class DetachKeys:
    """Looks for the sequence in what is typed. What may be its beginning is held back until the next key."""

    def __init__(self, sequence: bytes) -> None:
        self._sequence = sequence
        self._held = b""

    def filter(self, typed: bytes) -> tuple[bytes, bool]:
        """Return what to pass on, and whether the sequence was typed; what follows it is dropped."""
        if not self._sequence:
            return typed, False
        passed = bytearray()
        for key in typed:
            self._held += bytes([key])
            while not self._sequence.startswith(self._held):
                passed.append(self._held[0])
                self._held = self._held[1:]
            if self._held == self._sequence:
                return bytes(passed), True
        return bytes(passed), False
