"""Exact replacements, in order: each is looked for in what those before it left."""

from __future__ import annotations

from collections.abc import Sequence

from devbench_core.files.misfits import PLACES_MAX, Misfit, nearest_to, split_lines
from devbench_core.model.filechange import EditedPlace, Replacement


def replace_all(text: str, replacements: Sequence[Replacement]) -> tuple[str, list[EditedPlace]]:
    """Return the text after all replacements, and where they were.

    Raises:
        Misfit: One of them is not there as often as it says.
    """
    places: list[EditedPlace] = []
    for index, one in enumerate(replacements):
        found = text.count(one.old)
        if found != one.count if one.count is not None else found == 0:
            raise _misfit(text, index, one, found)
        places += [EditedPlace(index=index, line=line) for line in _lines_of(text, one.old, PLACES_MAX)]
        text = text.replace(one.old, one.new)
    return text, places


def _lines_of(text: str, old: str, most: int) -> list[int]:
    lines: list[int] = []
    at, line, counted = text.find(old), 1, 0
    while at >= 0 and len(lines) < most:
        line += text.count("\n", counted, at)
        counted = at
        lines.append(line)
        at = text.find(old, at + len(old))
    return lines


def _misfit(text: str, index: int, one: Replacement, found: int) -> Misfit:
    if found:
        lines = tuple(_lines_of(text, one.old, PLACES_MAX))
        where = ", ".join(map(str, lines)) + (", …" if found > len(lines) else "")
        return Misfit(
            what="replacement",
            index=index,
            reason="count",
            text=f"was to be there {_times(one.count)} and is {_times(found)}, in line {where}",
            hint="give more of the text around it, or the count that is there; nothing was changed",
            expected=one.count,
            found=found,
            lines=lines,
        )
    hint = ""
    if "\n" in one.old and _ends_differ(text, one.old):
        hint = r"the file's lines end with \r\n: give \r\n in old and new too; nothing was changed"
    elif "\r\n" in one.old and one.old.replace("\r\n", "\n") in text:
        hint = r"the file's lines end with \n alone; nothing was changed"
    return Misfit(
        what="replacement",
        index=index,
        reason="not_found",
        text="is not there" + (" with these line ends" if hint else ""),
        hint=hint,
        expected=one.count,
        nearest=nearest_to(split_lines(text), split_lines(one.old)),
    )


def _ends_differ(text: str, old: str) -> bool:
    return "\r\n" in text and old.replace("\r\n", "\n").replace("\n", "\r\n") in text


def _times(count: int | None) -> str:
    return "at least once" if count is None else "once" if count == 1 else f"{count} times"
