"""Searches for text in files, by the agent next to them."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from devbench_core.channel import searchcalls
from devbench_core.channel.search_messages import (
    CONTEXT_MAX,
    SEARCH,
    Grep,
    GreppedLine,
    GrepShows,
    LineFlag,
    SearchFlag,
)
from devbench_core.channel.searchcalls import GrepHit, InvalidPattern
from devbench_core.errors import ValidationFailed
from devbench_core.files.cursors import cursor_place, place_cursor
from devbench_core.files.globs import globs_of
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path, absolute_path
from devbench_core.files.patterns import no_pattern, pattern_bytes
from devbench_core.files.powers import require
from devbench_core.files.searching import checked_depth, page_limit, scope_of, walk_flags
from devbench_core.files.translate import info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.file import GrepFile, GrepLine, GrepMode, GrepPage

SHOWS = {GrepMode.LINES: GrepShows.LINES, GrepMode.NAMES: GrepShows.NAMES, GrepMode.COUNTS: GrepShows.COUNTS}


class Grepping(Operations):
    """Search in files."""

    async def grep(
        self,
        container: str,
        pattern: str,
        path: Path = ".",
        *,
        literal: bool = False,
        ignore_case: bool = False,
        word: bool = False,
        mode: GrepMode = GrepMode.LINES,
        context_before: int = 0,
        context_after: int = 0,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        depth: int | None = None,
        hidden: bool = True,
        gitignore: bool = False,
        after: str = "",
        limit: int | None = None,
        line_bytes: int | None = None,
        page_bytes: int | None = None,
        max_file_bytes: int | None = None,
        caller: Caller = LOCAL,
    ) -> GrepPage:
        """Search for a pattern in the files of a folder and of those beneath it, or in one file.

        Lines are looked at one by one. Files that are no text are left out and counted. For the patterns of text see
        `devbench_core.files.patterns`, for those of names `devbench_core.files.globs`.

        Args:
            container: Where.
            pattern: What to look for.
            path: Which folder or file; of a single file the patterns of names are not asked.
            literal: The pattern is text and no expression.
            ignore_case: Of ASCII letters.
            word: Only where no letter, digit or underscore is next to the match.
            mode: Lines, only the names of files, or how many lines match in each.
            context_before: How many lines to show before each match, at most 50.
            context_after: And after it.
            include: Only in files that one of these matches.
            exclude: Not in these, nor beneath such folders.
            depth: How many levels, 1 for what is directly in the folder; None for all (64).
            hidden: Also names that begin with a dot, and what is beneath them.
            gitignore: Leave out what ``.gitignore`` files say, and ``.git`` itself.
            after: The cursor of the last page, "" for the first.
            limit: The most matching lines (of the other modes: files), at most ``files.grep_max_matches``.
            line_bytes: The most that is shown of a line, at most ``files.grep_max_line_bytes``.
            page_bytes: After so much text the page ends, at most ``files.grep_page_bytes``.
            max_file_bytes: Larger files are left out, at most ``files.grep_max_file_bytes``.
            caller: Who asks.

        Raises:
            ValidationFailed: The pattern is none; the details say where (``position``) and why (``reason``).
            FileMissing: Nothing is there.
            FileFailed: It is no folder and no file.
            AgentOutdated: The container's agent cannot search.
        """
        place = cursor_place(after)
        request = Grep(
            id=0,
            path=b"",
            after=place[0],
            place=place[1],
            number=place[2],
            flags=walk_flags(hidden=hidden, gitignore=gitignore)
            | _match_flags(literal=literal, ignore_case=ignore_case, word=word),
            depth=checked_depth(depth),
            include=globs_of("include", include, self._limits),
            exclude=globs_of("exclude", exclude, self._limits),
            look=self._limits.search_max_looked,
            shows=SHOWS[GrepMode(mode)],
            before=_context("context_before", context_before),
            behind=_context("context_after", context_after),
            matches=page_limit(limit, self._limits.grep_max_matches),
            line_bytes=page_limit(line_bytes, self._limits.grep_max_line_bytes, field="line_bytes"),
            text_bytes=page_limit(page_bytes, self._limits.grep_page_bytes, field="page_bytes"),
            file_bytes=page_limit(max_file_bytes, self._limits.grep_max_file_bytes, field="max_file_bytes"),
            pattern=pattern_bytes(pattern),
        )
        async with self._request("file.grep", container, path, caller) as (channel, where, _):
            require(channel, SEARCH, "grep")
            try:
                hits, end = await searchcalls.grep(channel, attrs.evolve(request, path=where))
            except InvalidPattern as error:
                raise no_pattern(pattern, error.reply) from error
        return GrepPage(
            root=absolute_path(where),
            files=tuple(_file(where, hit) for hit in hits),
            cursor=place_cursor(end.cursor, end.place, end.number) if end.more else "",
            scope=scope_of(end.looked),
            searched=end.files,
            binary=end.binary,
            too_large=end.large,
        )


def _match_flags(*, literal: bool, ignore_case: bool, word: bool) -> SearchFlag:
    flags = SearchFlag(0)
    flags |= SearchFlag.LITERAL if literal else flags
    flags |= SearchFlag.IGNORE_CASE if ignore_case else flags
    return flags | (SearchFlag.WORD if word else flags)


def _context(field: str, lines: int) -> int:
    if not 0 <= lines <= CONTEXT_MAX:
        raise ValidationFailed(field, f"must be 0-{CONTEXT_MAX}", limit=CONTEXT_MAX)
    return lines


def _file(where: bytes, hit: GrepHit) -> GrepFile:
    path = b"/".join(part for part in (where, hit.file.path) if part)
    info = info_of(path, hit.file.stat)
    return GrepFile(
        info=attrs.evolve(info, etag="") if hit.changed else info,
        lines=tuple(_line(line) for line in hit.lines),
        count=hit.file.count,
    )


def _line(line: GreppedLine) -> GrepLine:
    flags = LineFlag(line.flags)
    return GrepLine(
        number=line.number,
        offset=line.offset,
        column=line.column if flags & LineFlag.MATCH else None,
        text=line.text,
        text_at=line.text_at,
        cut_before=bool(flags & LineFlag.CUT_BEFORE),
        cut_after=bool(flags & LineFlag.CUT_AFTER),
    )
