"""Finds plain texts and regular expressions in output that comes in pieces."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from devbench_core.errors import ValidationFailed
from devbench_core.model.shell import ShellMatch
from devbench_core.shells.regex import Expression, Found, compiled
from devbench_core.shells.settings import PATTERNS_MAX
from devbench_core.values import frozen

"""Texts, and expressions, that one call may look for."""
PATTERN_MAX = 1000
"""Characters of one of them."""
MATCH_MAX = 1000
"""Characters of the matched text, and of each group, that a caller is told."""


@frozen
class Wanted:
    """What a caller looks for, checked.

    Attributes:
        texts: Plain ones, with their bytes.
        expressions: Compiled, with their source.
    """

    texts: tuple[tuple[str, bytes], ...] = ()
    expressions: tuple[tuple[str, Expression], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.texts or self.expressions)


def wanted(texts: Sequence[str], expressions: Sequence[str]) -> Wanted:
    """Check what a caller looks for.

    Raises:
        ValidationFailed: There are too many, or one is empty, too long, or no expression.
    """
    for field, given in (("until", texts), ("until_regex", expressions)):
        if len(given) > PATTERNS_MAX:
            raise ValidationFailed(field, f"at most {PATTERNS_MAX} are allowed", limit=PATTERNS_MAX)
        if any(not each or len(each) > PATTERN_MAX for each in given):
            raise ValidationFailed(field, f"each must have 1-{PATTERN_MAX} characters", limit=PATTERN_MAX)
    try:
        plain = tuple([(text, text.encode()) for text in texts])
    except UnicodeEncodeError as error:
        raise ValidationFailed("until", "contains characters that cannot be encoded") from error
    sources = tuple(expressions)
    return Wanted(texts=plain, expressions=tuple(zip(sources, compiled("until_regex", sources), strict=True)))


class Finder:
    """Looks for the first of what is wanted, wherever the output is cut.

    Args:
        wanted: What to look for.
        lookback_bytes: An expression's match of at most so many bytes is found although it came in pieces.
        executor: Where expressions are searched for: that may take a while, and the event loop must not wait.
    """

    def __init__(self, wanted: Wanted, lookback_bytes: int, executor: Executor) -> None:
        self._wanted = wanted
        self._executor = executor
        longest = max([len(word) for _, word in wanted.texts] + [lookback_bytes if wanted.expressions else 1])
        self._kept = longest - 1
        self._seen = b""
        self._begin = 0  # of what is looked at: one byte before it tells whether a line or word begins there

    async def feed(self, data: bytes) -> ShellMatch | None:
        """Take more output; return the match that begins first, of several the one that was named first."""
        if not data:
            return None
        self._seen += data
        found = [
            (at, order, ShellMatch(pattern=text, is_regex=False, text=text[:MATCH_MAX]))
            for order, (text, word) in enumerate(self._wanted.texts)
            if (at := self._seen.find(word, self._begin)) >= 0
        ]
        if self._wanted.expressions:
            loop = asyncio.get_running_loop()
            found += await loop.run_in_executor(
                self._executor, _search, self._wanted, self._seen, self._begin
            )
        cut = len(self._seen) - self._kept - 1
        if cut > 0:
            self._seen, self._begin = self._seen[cut:], 1
        return min(found, key=lambda each: each[:2])[2] if found else None


def _search(wanted: Wanted, seen: bytes, begin: int) -> list[tuple[int, int, ShellMatch]]:
    first = len(wanted.texts)
    return [
        (match.start(), first + order, _told(source, expression, match))
        for order, (source, expression) in enumerate(wanted.expressions)
        if (match := expression.search(seen, begin)) is not None
    ]


def _told(source: str, expression: Expression, match: Found) -> ShellMatch:
    groups = [_text(match.group(number)) for number in range(1, expression.groups + 1)]
    return ShellMatch(pattern=source, is_regex=True, text=_text(match.group()) or "", groups=tuple(groups))


def _text(found: bytes | None) -> str | None:
    return None if found is None else found.decode(errors="replace")[:MATCH_MAX]
