"""Patterns of names and paths, checked and taken apart before the agent sees them.

`*` is any run of characters but `/`, `?` one, `[...]` one of these (`[!...]` or `[^...]` none of these; ranges and
`[:alpha:]` as POSIX has them), `{a,b}` either, and a backslash quotes. A pattern without a slash is for the name, at
any depth; one with a slash is for the path relative to the searched folder, as a whole. There `**` as a whole part is
any number of folders (none too), or at the end everything beneath. A leading slash stands for the searched folder;
with a trailing one only folders match. A leading dot is nothing special. Case counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from devbench_core.channel.search_messages import GLOB_MAX_BYTES, GLOBS_MAX_BYTES
from devbench_core.errors import ValidationFailed
from devbench_core.files.paths import name_bytes
from devbench_core.files.settings import FileLimits

NESTED_MAX = 8


def globs_of(field: str, patterns: Sequence[str], limits: FileLimits) -> tuple[bytes, ...]:
    """Return what the agent is asked, alternatives taken apart.

    Raises:
        ValidationFailed: A pattern is none, or there are too many; names it and the position of the fault.
    """
    found: list[bytes] = []
    for number, pattern in enumerate(patterns):
        name = f"{field}[{number}]"
        for each in _expanded(name, pattern, limits.search_max_globs - len(found)):
            found.append(_encoded(name, each))
            if len(found) > limits.search_max_globs:
                raise _too_many(name, limits.search_max_globs)
    if sum(map(len, found)) > GLOBS_MAX_BYTES:
        raise ValidationFailed(
            field, f"has patterns of more than {GLOBS_MAX_BYTES} bytes in all", limit=GLOBS_MAX_BYTES
        )
    return tuple(found)


def _too_many(field: str, limit: int) -> ValidationFailed:
    return ValidationFailed(
        field,
        f"makes more than {limit} patterns (files.search_max_globs)",
        hint="each alternative of {a,b} counts as one",
        limit=limit,
    )


def _encoded(field: str, pattern: str) -> bytes:
    text = pattern.removeprefix("./")
    if not text.strip("/"):
        raise ValidationFailed(field, "is empty")
    if "\0" in text:
        raise ValidationFailed(field, "contains NUL")
    if any(part in {".", ".."} for part in text.split("/")) or "//" in text:
        raise ValidationFailed(
            field,
            f"{pattern!r} has an empty part, '.' or '..'",
            hint="patterns name what is beneath the folder",
        )
    try:
        data = name_bytes(text)
    except UnicodeEncodeError as error:
        raise ValidationFailed(field, "contains characters that cannot be encoded") from error
    if len(data) > GLOB_MAX_BYTES:
        raise ValidationFailed(field, f"is longer than {GLOB_MAX_BYTES} bytes", limit=GLOB_MAX_BYTES)
    return data


def _expanded(field: str, pattern: str, most: int) -> Iterator[str]:
    """Yield each pattern that the alternatives make."""
    if len(pattern) > GLOB_MAX_BYTES:
        raise ValidationFailed(field, f"is longer than {GLOB_MAX_BYTES} bytes", limit=GLOB_MAX_BYTES)
    made = 0
    waiting = [(pattern, 0)]
    while waiting:
        text, depth = waiting.pop()
        found = _first_braces(field, text)
        if found is None:
            yield text
            continue
        before, choices, behind = found
        made += len(choices)
        if made > most * NESTED_MAX or depth >= most:
            raise _too_many(field, most)
        waiting += [(before + choice + behind, depth + 1) for choice in reversed(choices)]


def _first_braces(field: str, text: str) -> tuple[str, list[str], str] | None:
    """Return what is before the first alternatives, these, and what is behind."""
    opened: list[int] = []
    cuts: list[int] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            if position + 1 == len(text):
                raise _fault(field, text, position, "a backslash with nothing to quote")
            position += 2
            continue
        if character == "[":
            position = _class_end(field, text, position)
            continue
        if character == "{":
            opened.append(position)
        elif character == "," and len(opened) == 1:
            cuts.append(position)
        elif character == "}" and opened:
            start = opened.pop()
            if not opened:
                edges = [start, *cuts, position]
                choices = [text[a + 1 : b] for a, b in pairwise(edges)]
                return text[:start], choices, text[position + 1 :]
        position += 1
    if opened:
        raise _fault(field, text, opened[0], "a brace that is not closed")
    return None


def _class_end(field: str, text: str, start: int) -> int:
    """Return where a class ends."""
    position = start + 1
    if text[position : position + 1] in {"!", "^"}:
        position += 1
    first = position
    while position < len(text):
        if text[position] == "]" and position > first:
            return position + 1
        if text.startswith("[:", position) and (end := text.find(":]", position + 2)) > 0:
            position = end + 2
        else:
            position += 2 if text[position] == "\\" else 1
    raise _fault(field, text, start, "a bracket that is not closed")


def _fault(field: str, text: str, position: int, what: str) -> ValidationFailed:
    error = ValidationFailed(
        field,
        f"{text[:200]!r} has at position {position} {what}",
        hint="a backslash before it makes it an ordinary character",
    )
    error.details["position"] = position
    return error
