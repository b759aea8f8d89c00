r"""Patterns of text. Only the agent knows what one is, since it looks for it; here is what it says of what is none.

The dialect is that of Python's `re` as far as it can be looked for in linear time: literals, ``.``, ``[...]`` with
ranges and ``[:alpha:]``, ``\d \w \s \b`` and their capitals, ``^ $`` per line, groups (also named), ``|``,
``* + ? {m,n}``, ``(?i)``, ``\xHH`` and ``\uHHHH``. There are no back-references and no look-around. Text is UTF-8:
``.`` and classes match whole characters, and nothing but them; ``\w``, ``\d``, ``\s``, ``\b`` and ignoring case
know ASCII.
"""

from __future__ import annotations

from devbench_core.channel.search_messages import PATTERN_MAX_BYTES, GrepInvalid, PatternFault
from devbench_core.errors import ValidationFailed

SAYS = {
    PatternFault.TOO_LARGE: "it is too large",
    PatternFault.NOTHING_TO_REPEAT: "there is nothing to repeat",
    PatternFault.REPEATED_TWICE: "what is repeated is repeated once more",
    PatternFault.BAD_REPEAT: "a repetition is out of its range: at most 1000, the first number not above the second",
    PatternFault.GROUP_OPEN: "a parenthesis is not closed",
    PatternFault.GROUP_CLOSED: "a parenthesis is closed that was not opened",
    PatternFault.CLASS_OPEN: "a bracket is not closed",
    PatternFault.BAD_RANGE: "a range of characters is none",
    PatternFault.BAD_ESCAPE: "an escape is not known",
    PatternFault.BAD_NUMBER: "a character's number is none",
    PatternFault.BACK_REFERENCE: "back-references are not supported",
    PatternFault.LOOK_AROUND: "look-ahead and look-behind are not supported",
    PatternFault.BAD_GROUP: "a group of this kind is not known",
    PatternFault.LINE_FEED: "a line feed is in no line, and lines are looked at one by one",
    PatternFault.TOO_DEEP: "groups are nested too deeply, at most 100",
    PatternFault.BAD_CLASS: "a class of this name is not known",
    PatternFault.NOT_UTF8: "it is no UTF-8 text",
}
HINTS = {
    PatternFault.TOO_LARGE: "use smaller repetitions, or look for a part of it",
    PatternFault.BACK_REFERENCE: "look for a wider pattern, and look at what comes",
    PatternFault.LOOK_AROUND: "look for a wider pattern, and look at what comes",
    PatternFault.LINE_FEED: "look for one line, with context",
}
ESCAPE_HINT = "a backslash before a character makes it an ordinary one; or look for the text literally"


def pattern_bytes(pattern: str) -> bytes:
    """Return a pattern as it travels.

    Raises:
        ValidationFailed: It is too long or no text.
    """
    if "\0" in pattern:
        raise ValidationFailed("pattern", "contains NUL")
    try:
        data = pattern.encode()
    except UnicodeEncodeError as error:
        raise ValidationFailed("pattern", "is no UTF-8 text") from error
    if len(data) > PATTERN_MAX_BYTES:
        raise ValidationFailed(
            "pattern", f"is longer than {PATTERN_MAX_BYTES} bytes", limit=PATTERN_MAX_BYTES
        )
    return data


def no_pattern(pattern: str, reply: GrepInvalid) -> ValidationFailed:
    """Return the error for a pattern that the agent refuses."""
    position = len(pattern.encode()[: reply.at].decode(errors="ignore"))
    error = ValidationFailed(
        "pattern",
        f"{pattern[:200]!r}, at position {position}: {SAYS[reply.fault]}",
        hint=HINTS.get(reply.fault, ESCAPE_HINT),
    )
    error.details |= {"position": position, "reason": reply.fault.name.lower()}
    return error
