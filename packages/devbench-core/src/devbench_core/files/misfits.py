"""What an edit that does not fit tells: what is there instead, so that the next try succeeds."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from devbench_core.errors import EditFailed
from devbench_core.values import frozen

PLACES_MAX = 20
NEAREST_MAX = 3
NEAR_ENOUGH = 0.55
LOOKED_MAX = 20_000
"""Lines that are compared by likeness."""
LINE_SHOWN_MAX = 300
WINDOW_MAX = 12


@frozen
class Misfit(Exception):
    """An edit does not fit.

    Attributes:
        what: ``replacement`` or ``hunk``.
        index: Which one, from 0.
        reason: ``not_found``, ``count`` (found, but not as often as expected), ``ambiguous``, ``order``.
        text: What happened, as a sentence's end.
        hint: What to do.
        expected: How often it was to be there.
        found: How often it is.
        lines: Where, from line 1; at most `PLACES_MAX`.
        nearest: What is most like it: number of the line, and text.
    """

    what: str
    index: int
    reason: str
    text: str
    hint: str = ""
    expected: int | None = None
    found: int = 0
    lines: tuple[int, ...] = ()
    nearest: tuple[tuple[int, str], ...] = ()

    def as_error(self, path: str, etag: str) -> EditFailed:
        """Return the error that a caller sees."""
        shown = "; ".join(f"line {line}: {text!r}" for line, text in self.nearest)
        message = f"{path!r}: {self.what} {self.index + 1} {self.text}"
        details: dict[str, object] = {
            "path": path,
            "etag": etag,
            "what": self.what,
            "index": self.index,
            "reason": self.reason,
            "found": self.found,
            "lines": list(self.lines),
            "nearest": [{"line": line, "text": text} for line, text in self.nearest],
        }
        if self.expected is not None:
            details["expected"] = self.expected
        return EditFailed(
            message + (f"; there is {shown}" if shown else ""),
            hint=self.hint
            or "read those lines again and repeat the edit with what is there; nothing was changed",
            details=details,
        )


def shown(line: str) -> str:
    """Return a line as it may be shown: without its end, not too long, and without half surrogates."""
    text = line.rstrip("\n")[:LINE_SHOWN_MAX]
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def nearest_to(lines: Sequence[str], wanted: Sequence[str]) -> tuple[tuple[int, str], ...]:
    """Return what is most like some lines: the same but for blanks if there is such a place, else like ones."""
    sought = [line.strip() for line in wanted]
    while sought and not sought[-1]:
        sought.pop()
    leading = next((i for i, line in enumerate(sought) if line), 0)
    sought = sought[leading:]
    if not sought:
        return ()
    but_for_blanks = _window(lines, sought)
    if but_for_blanks is not None:
        end = min(but_for_blanks + len(sought), but_for_blanks + WINDOW_MAX)
        return tuple((i + 1, shown(lines[i])) for i in range(but_for_blanks, end))
    return _alike(lines, max(sought, key=len))


def _window(lines: Sequence[str], sought: Sequence[str]) -> int | None:
    first = sought[0]
    for start, line in enumerate(lines):
        if line.strip() == first and [each.strip() for each in lines[start : start + len(sought)]] == list(
            sought
        ):
            return start
    return None


def _alike(lines: Sequence[str], wanted: str) -> tuple[tuple[int, str], ...]:
    matcher: difflib.SequenceMatcher[str] = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted[:LINE_SHOWN_MAX])
    best: list[tuple[float, int]] = []
    for number, line in enumerate(lines[:LOOKED_MAX], 1):
        matcher.set_seq1(line.strip()[:LINE_SHOWN_MAX])
        least = best[-1][0] if len(best) == NEAREST_MAX else NEAR_ENOUGH
        if matcher.real_quick_ratio() <= least or matcher.quick_ratio() <= least:
            continue
        ratio = matcher.ratio()
        if ratio > least:
            best = sorted([*best, (ratio, number)], key=lambda pair: (-pair[0], pair[1]))[:NEAREST_MAX]
    return tuple((number, shown(lines[number - 1])) for _, number in best)


def split_lines(text: str) -> list[str]:
    """Return the lines with their ends; only a line feed ends one."""
    parts = text.split("\n")
    ended = [part + "\n" for part in parts[:-1]]
    return [*ended, parts[-1]] if parts[-1] else ended
