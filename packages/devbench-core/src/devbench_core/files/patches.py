"""Unified diffs of one file: read strictly, applied exactly or not at all.

A hunk belongs where its header says, shifted by as much as the hunk before it was. Where its lines are not there, the
one other place after the hunk before is taken that has them; with two such places or none nothing is changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from devbench_core.errors import ValidationFailed
from devbench_core.files.misfits import PLACES_MAX, Misfit, nearest_to, shown, split_lines
from devbench_core.model.filechange import EditedPlace
from devbench_core.values import frozen

HEADER = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
NO_END = "\\ No newline at end of file"


@frozen
class Hunk:
    """A hunk: lines with their ends, and the line that it says it begins at."""

    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def at(self) -> int:
        """The index of its first line; of a mere insertion, that of the line that it comes before."""
        return self.start - 1 if self.old else self.start


def parse(diff: str, most: int) -> tuple[Hunk, ...]:
    """Return the hunks of a diff.

    Raises:
        ValidationFailed: It is no unified diff, or of several files, or has more hunks than allowed.
    """
    lines = diff.removesuffix("\n").split("\n")
    hunks: list[Hunk] = []
    at = 0
    files = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("@@"):
            hunk, at = _hunk(lines, at, len(hunks) + 1)
            hunks.append(hunk)
            continue
        files += line.startswith("--- ")
        if hunks and line.strip() and not line.startswith("--- ") and files < 2:
            raise _malformed(len(hunks), f"is followed by {line[:80]!r}, which its header does not count")
        if files > 1:
            raise ValidationFailed("diff", "is of several files", hint="edit one file at a time")
        at += 1
    if not hunks:
        raise ValidationFailed("diff", "has no hunk", hint="a hunk begins with @@ -LINE,COUNT +LINE,COUNT @@")
    if len(hunks) > most:
        raise ValidationFailed("diff", f"has {len(hunks)} hunks, at most {most} are allowed", limit=most)
    return tuple(hunks)


def _hunk(lines: Sequence[str], at: int, number: int) -> tuple[Hunk, int]:
    header = HEADER.match(lines[at])
    if header is None:
        raise _malformed(number, f"has the header {lines[at][:80]!r}, not @@ -LINE,COUNT +LINE,COUNT @@")
    left = [int(header[2] or 1), int(header[4] or 1)]
    old: list[str] = []
    new: list[str] = []
    begin = at
    at += 1
    while left != [0, 0]:
        line = lines[at] if at < len(lines) else "@@"
        kind = line[:1] or " "  # an empty line is one of context whose blank was lost
        takes = {" ": (1, 1), "-": (1, 0), "+": (0, 1)}.get(kind)
        if takes is None or left[0] < takes[0] or left[1] < takes[1]:
            raise _miscounted(lines, begin, number)
        text = line[1:] + "\n"
        ended = at + 1 < len(lines) and lines[at + 1].startswith("\\ ")
        if ended:
            text = text[:-1]
            at += 1
        old += [text] * takes[0]
        new += [text] * takes[1]
        left = [left[0] - takes[0], left[1] - takes[1]]
        at += 1
    return Hunk(start=int(header[1]), old=tuple(old), new=tuple(new)), at


def _miscounted(lines: Sequence[str], begin: int, number: int) -> ValidationFailed:
    end = begin + 1
    while end < len(lines) and lines[end][:1] in {" ", "-", "+", "\\"}:
        end += 1
    body = lines[begin + 1 : end]
    old = sum(line[:1] in {" ", "-"} for line in body)
    new = sum(line[:1] in {" ", "+"} for line in body)
    return _malformed(
        number, f"has {old} old and {new} new lines, but its header {lines[begin][:60]!r} says otherwise"
    )


def _malformed(number: int, problem: str) -> ValidationFailed:
    return ValidationFailed("diff", f"hunk {number} {problem}", hint="every line begins with ' ', '-' or '+'")


def apply(text: str, hunks: Sequence[Hunk]) -> tuple[str, list[EditedPlace]]:
    """Return the text with all hunks applied, and where they were.

    Raises:
        Misfit: A hunk's lines are not there, or in several places.
    """
    lines = split_lines(text)
    index: dict[str, list[int]] = {}
    done: list[str] = []
    places: list[EditedPlace] = []
    taken = shift = 0
    for number, hunk in enumerate(hunks):
        at = hunk.at + shift
        if at < taken or not _fits(lines, hunk, at):
            if hunk.at < taken and not shift:
                raise Misfit(
                    what="hunk", index=number, reason="order", text="does not come after the one before"
                )
            at = _elsewhere(lines, hunk, number, taken, index)
            shift = at - hunk.at
        done += lines[taken:at]
        done += hunk.new
        taken = at + len(hunk.old)
        places.append(EditedPlace(index=number, line=at + 1, offset=at - hunk.at))
    done += lines[taken:]
    _whole_lines(done, len(hunks) - 1)
    return "".join(done), places


def _fits(lines: Sequence[str], hunk: Hunk, at: int) -> bool:
    return 0 <= at <= len(lines) and tuple(lines[at : at + len(hunk.old)]) == hunk.old


def _elsewhere(lines: Sequence[str], hunk: Hunk, number: int, taken: int, index: dict[str, list[int]]) -> int:
    if not index:
        for at, line in enumerate(lines):
            index.setdefault(line, []).append(at)
    found: list[int] = []
    if hunk.old:
        rarest = min(range(len(hunk.old)), key=lambda i: len(index.get(hunk.old[i], ())))
        places = (at - rarest for at in index.get(hunk.old[rarest], ()))
        found = [at for at in places if at >= taken and _fits(lines, hunk, at)]
    if len(found) == 1:
        return found[0]
    if found:
        where = tuple(at + 1 for at in found[:PLACES_MAX])
        raise Misfit(
            what="hunk",
            index=number,
            reason="ambiguous",
            text=f"is not at line {hunk.start}, and its lines are in several places: {', '.join(map(str, where))}",
            hint="give the right line in its header, or more lines of context; nothing was changed",
            found=len(found),
            lines=where,
        )
    raise _not_there(lines, hunk, number)


def _not_there(lines: Sequence[str], hunk: Hunk, number: int) -> Misfit:
    at = max(hunk.at, 0)
    here = lines[at : at + len(hunk.old)]
    wrong = next((i for i, line in enumerate(hunk.old) if i >= len(here) or here[i] != line), 0)
    wanted = hunk.old[wrong] if hunk.old else ""
    there = here[wrong] if wrong < len(here) else None
    text = f"does not fit: line {at + wrong + 1} is to be {shown(wanted)!r}"
    text += " and the file ends before it" if there is None else f" and is {shown(there)!r}"
    hint = ""
    if there is not None and there.rstrip("\r\n") == wanted.rstrip("\r\n"):
        hint = (
            r"they differ in the line's end: \r\n lines need a \r before their end in the diff, and a last line "
            f"without an end needs {NO_END!r} after it; nothing was changed"
        )
    nearest = nearest_to(lines, hunk.old)
    return Misfit(what="hunk", index=number, reason="not_found", text=text, hint=hint, nearest=nearest)


def _whole_lines(lines: Sequence[str], number: int) -> None:
    """Only the last line may be without an end."""
    for at, line in enumerate(lines[:-1]):
        if not line.endswith("\n"):
            raise Misfit(
                what="hunk",
                index=number,
                reason="order",
                text=f"leaves line {at + 1} without an end in the middle of the file",
            )
