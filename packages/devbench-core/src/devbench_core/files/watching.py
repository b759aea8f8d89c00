"""Watching: what changes in the workspace, as it happens."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from pathlib import PurePosixPath

from devbench_core.channel import watchcalls
from devbench_core.channel.watch_messages import Change, ChangesFlag, Happened, WatchedType
from devbench_core.errors import ValidationFailed
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path, absolute_path
from devbench_core.files.powers import require
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.change import ChangeKind, FileChange, FileChanges
from devbench_core.model.file import FileType

CURSOR = re.compile(r"([0-9a-f]{16})-([0-9a-f]{1,16})")
KINDS = {
    Happened.CREATED: ChangeKind.CREATED,
    Happened.MODIFIED: ChangeKind.MODIFIED,
    Happened.DELETED: ChangeKind.DELETED,
    Happened.MOVED: ChangeKind.MOVED,
}


class Watching(Operations):
    """Tell what changes."""

    async def changes(
        self,
        container: str,
        path: Path = ".",
        *,
        cursor: str = "",
        wait_s: float = 0.0,
        recursive: bool = True,
        limit: int | None = None,
        caller: Caller = LOCAL,
    ) -> FileChanges:
        """Return what changed since a cursor, waiting while nothing did.

        The first call, without a cursor, returns at once with one. The agent remembers changes for some minutes
        after the last call, so whoever comes back with a cursor misses nothing, or is told to look anew (``rescan``).
        Any number of callers may follow the same cursor. Told is what the kernel tells (inotify): not changes through a
        shared memory mapping, nor what lies behind links or in folders that the container's user may not read.

        Args:
            container: Where.
            path: A folder, or a single file.
            cursor: That of the last call for the same path, "" to begin.
            wait_s: How long to wait for the first change, at most ``files.watch_max_wait_s``.
            recursive: Also what lies in folders beneath it.
            limit: The most changes to return, at most ``files.watch_max_changes``.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is at the path.
            FileFailed: ``limit``: too many watches at once.
            AgentOutdated: The container's agent cannot watch.
        """
        watch, after = _numbers(cursor)
        most = self._limits.watch_max_changes
        size = most if limit is None else limit
        if not 1 <= size <= most:
            raise ValidationFailed("limit", f"must be 1-{most}", limit=most)
        if wait_s < 0:
            raise ValidationFailed("wait_s", "must not be negative")
        deadline_s = self._context.clock.monotonic_s() + min(wait_s, self._limits.watch_max_wait_s)
        while True:
            async with self._request("file.watch", container, path, caller, waits=True) as (
                channel,
                where,
                _,
            ):
                require(channel, "watch", "watching files")
                found = await watchcalls.changes(
                    channel,
                    where,
                    recursive=recursive,
                    watch=watch,
                    after=after,
                    wait_s=max(0.0, deadline_s - self._context.clock.monotonic_s()),
                    debounce_s=self._limits.watch_debounce_s,
                    limit=size,
                )
            page = FileChanges(
                changes=tuple(_change(where, change) for change in found.changes),
                cursor=f"{found.watch:016x}-{found.cursor:x}",
                rescan=bool(found.flags & ChangesFlag.RESCAN),
                partial=bool(found.flags & ChangesFlag.PARTIAL),
            )
            is_new = found.watch != watch
            if page.changes or page.rescan or is_new or self._context.clock.monotonic_s() >= deadline_s:
                return page

    async def watch(
        self,
        container: str,
        path: Path = ".",
        *,
        cursor: str = "",
        recursive: bool = True,
        caller: Caller = LOCAL,
    ) -> AsyncGenerator[FileChanges, None]:
        """Give what changes as it happens, without end: first an empty page whose cursor is the beginning.

        Args and errors are those of `changes`; an error ends it, and it can be gone on with from the last cursor.
        """
        while True:
            page = await self.changes(
                container,
                path,
                cursor=cursor,
                wait_s=self._limits.watch_max_wait_s,
                recursive=recursive,
                caller=caller,
            )
            if page.changes or page.rescan or not cursor:
                yield page
            cursor = page.cursor


def _numbers(cursor: str) -> tuple[int, int]:
    if not cursor:
        return 0, 0
    parts = CURSOR.fullmatch(cursor)
    if parts is None:
        raise ValidationFailed("cursor", "is no cursor of a watch", hint="'' begins anew")
    return int(parts[1], 16), int(parts[2], 16)


def _change(where: bytes, change: Change) -> FileChange:
    return FileChange(
        kind=KINDS[change.kind],
        path=_path(where, change.path),
        type=FileType.DIRECTORY if change.type is WatchedType.DIRECTORY else FileType.FILE,
        origin=_path(where, change.origin) if change.kind is Happened.MOVED else None,
    )


def _path(where: bytes, relative: bytes) -> PurePosixPath:
    return absolute_path(b"/".join(part for part in (where, relative) if part))
