"""Searches by the agent, next to the files: trees and patterns of names."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import attrs

from devbench_core.channel import searchcalls
from devbench_core.channel.search_messages import SEARCH, Find, Looked, SearchFlag, TypeMask
from devbench_core.errors import ValidationFailed
from devbench_core.files.cursors import cursor_path, path_cursor
from devbench_core.files.globs import globs_of
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path, absolute_path
from devbench_core.files.powers import require
from devbench_core.files.translate import info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.file import FileType, FoundPage, SearchScope

DEPTH_MAX = 64
MASKS = {
    FileType.FILE: TypeMask.FILE,
    FileType.DIRECTORY: TypeMask.DIRECTORY,
    FileType.SYMLINK: TypeMask.LINK,
    FileType.OTHER: TypeMask.OTHER,
}


class Searching(Operations):
    """Find."""

    async def find(
        self,
        container: str,
        path: Path = ".",
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        types: Collection[FileType] = tuple(FileType),
        depth: int | None = None,
        hidden: bool = True,
        gitignore: bool = False,
        after: str = "",
        limit: int | None = None,
        caller: Caller = LOCAL,
    ) -> FoundPage:
        """List what is in a folder and in the folders beneath, each folder before what is in it.

        Links are told and not followed. What stands there during all pages comes in exactly one of them. For the
        patterns see `devbench_core.files.globs`.

        Args:
            container: Where.
            path: Which folder.
            include: Only what one of these matches; all without any.
            exclude: Not what one of these matches, nor anything beneath such a folder.
            types: Only these.
            depth: How many levels, 1 for what is directly in the folder; None for all (64).
            hidden: Also names that begin with a dot, and what is beneath them.
            gitignore: Leave out what ``.gitignore`` files say, those above the folder too, and ``.git`` itself.
            after: The cursor of the last page, "" for the first.
            limit: The most entries, at most ``files.find_max_entries``.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileFailed: It is no folder.
            AgentOutdated: The container's agent cannot search.
        """
        request = Find(
            id=0,
            path=b"",
            after=cursor_path(after),
            flags=walk_flags(hidden=hidden, gitignore=gitignore),
            depth=checked_depth(depth),
            include=globs_of("include", include, self._limits),
            exclude=globs_of("exclude", exclude, self._limits),
            look=self._limits.search_max_looked,
            types=_mask(types),
            limit=page_limit(limit, self._limits.find_max_entries),
        )
        async with self._request("file.find", container, path, caller) as (channel, where, _):
            require(channel, SEARCH, "find")
            entries, end = await searchcalls.find(channel, attrs.evolve(request, path=where))
        prefix = where + b"/" if where else b""
        return FoundPage(
            root=absolute_path(where),
            entries=tuple(info_of(prefix + entry.path, entry.stat) for entry in entries),
            cursor=path_cursor(end.cursor) if end.more else "",
            scope=scope_of(end.looked),
        )

    async def glob(
        self,
        container: str,
        pattern: str,
        path: Path = ".",
        *,
        exclude: Sequence[str] = (),
        types: Collection[FileType] = tuple(FileType),
        hidden: bool = True,
        gitignore: bool = False,
        after: str = "",
        limit: int | None = None,
        caller: Caller = LOCAL,
    ) -> FoundPage:
        """List what a pattern matches whose parts are folders from ``path`` on, as `pathlib.Path.glob` has it.

        ``*.py`` is what is directly in the folder, ``**/*.py`` what is anywhere beneath, ``src/**`` all beneath
        ``src``. Everything else is as in `find`.
        """
        anchored = pattern if pattern.startswith("/") else f"/{pattern.removeprefix('./')}"
        return await self.find(
            container,
            path,
            include=[anchored],
            exclude=exclude,
            types=types,
            depth=_depth_of(pattern),
            hidden=hidden,
            gitignore=gitignore,
            after=after,
            limit=limit,
            caller=caller,
        )


def _depth_of(pattern: str) -> int | None:
    """Return how deep a pattern without ``**`` reaches; None when that is not clear."""
    levels = pattern.strip("/").count("/") + 1
    return None if "**" in pattern or "{" in pattern or levels > DEPTH_MAX else levels


def walk_flags(*, hidden: bool, gitignore: bool) -> SearchFlag:
    """Return what a walk leaves out."""
    skip = SearchFlag(0) if hidden else SearchFlag.SKIP_HIDDEN
    return skip | (SearchFlag.GITIGNORE if gitignore else SearchFlag(0))


def _mask(types: Collection[FileType]) -> int:
    if not types:
        raise ValidationFailed("types", "is empty")
    mask = TypeMask(0)
    for each in types:
        mask |= MASKS[FileType(each)]
    return int(mask)


def checked_depth(depth: int | None) -> int:
    """Return the depth as the agent takes it, 0 for no bound.

    Raises:
        ValidationFailed: It is out of its range.
    """
    if depth is not None and not 1 <= depth <= DEPTH_MAX:
        raise ValidationFailed("depth", f"must be 1-{DEPTH_MAX}", limit=DEPTH_MAX)
    return depth or 0


def page_limit(limit: int | None, most: int, *, field: str = "limit") -> int:
    """Return the size of a page.

    Raises:
        ValidationFailed: It is out of its range.
    """
    size = most if limit is None else limit
    if not 1 <= size <= most:
        raise ValidationFailed(field, f"must be 1-{most}", limit=most)
    return size


def scope_of(looked: Looked) -> SearchScope:
    """Return what was looked at, in devbench's words."""
    return SearchScope(
        looked_at=looked.entries,
        unreadable=looked.unreadable,
        too_deep=looked.too_deep,
        ignore_files_left_out=looked.ignore_files_left_out,
    )
