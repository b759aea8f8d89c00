"""Folders: list, make, and delete what is in them."""

from __future__ import annotations

import os

from devbench_core.channel import changecalls, filecalls
from devbench_core.errors import ValidationFailed
from devbench_core.files.conditions import checked_etag, checked_mode
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path, absolute_path
from devbench_core.files.powers import require
from devbench_core.files.translate import info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.file import FileInfo, FileListing


class Folders(Operations):
    """List, make, delete."""

    async def list(
        self,
        container: str,
        path: Path = ".",
        *,
        after: str = "",
        limit: int | None = None,
        caller: Caller = LOCAL,
    ) -> FileListing:
        """List a folder by rising names (in the order of their bytes).

        Args:
            container: Where.
            path: Which folder.
            after: The cursor of the last page, "" for the first.
            limit: The most entries, at most ``files.list_max_entries``.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileFailed: It is no folder.
        """
        most = min(1000, self._limits.list_max_entries)
        size = most if limit is None else limit
        if not 1 <= size <= most:
            raise ValidationFailed("limit", f"must be 1-{most}", limit=most)
        if "\0" in after or "/" in after:
            raise ValidationFailed("after", "is no cursor of a listing")
        async with self._request("file.list", container, path, caller) as (channel, where, _):
            entries, more = await filecalls.list_dir(channel, where, after=os.fsencode(after), limit=size)
        prefix = where + b"/" if where else b""
        infos = tuple(info_of(prefix + entry.name, entry.stat) for entry in entries)
        return FileListing(entries=infos, cursor=os.fsdecode(entries[-1].name) if more and entries else "")

    async def mkdir(
        self,
        container: str,
        path: Path,
        *,
        mode: int | None = None,
        parents: bool = False,
        caller: Caller = LOCAL,
    ) -> FileInfo:
        """Make a folder. With ``parents`` also missing ones above, and one that is there already is fine.

        Args:
            container: Where.
            path: Which folder.
            mode: Its permission bits, exactly; None is 0755 without what the umask takes away. One that is there keeps
                its own, and those above have 0755.
            parents: Also make missing folders above.
            caller: Who asks.

        Raises:
            FileMissing: A folder above is not there.
            FileFailed: ``exists``.
        """
        checked_mode("mode", mode)
        async with self._request("file.mkdir", container, path, caller) as (channel, where, found):
            if mode is None:
                made = await filecalls.make_dir(channel, where, parents=parents, exist_ok=parents)
            else:
                require(channel, "changes", "a folder's mode")
                made = await changecalls.make_dir(channel, where, parents=parents, mode=mode)
        info = info_of(where, made.stat)
        if made.created:
            self._tell("file.written", caller, found, {"path": str(info.path), "type": "directory"})
        return info

    async def delete(
        self,
        container: str,
        path: Path,
        *,
        recursive: bool = False,
        if_match: str | None = None,
        caller: Caller = LOCAL,
    ) -> None:
        """Delete a file, a link (not what it points to), or a folder.

        Args:
            container: Where.
            path: What.
            recursive: Also a folder with something in it.
            if_match: Only if the file's etag is this.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileConflict: The file has another etag.
            FileFailed: ``not_empty``, or it is the workspace itself.
        """
        etag = checked_etag(if_match)
        async with self._request("file.delete", container, path, caller) as (channel, where, found):
            await filecalls.delete(channel, where, recursive=recursive, if_match=etag)
        self._tell("file.deleted", caller, found, {"path": str(absolute_path(where)), "recursive": recursive})
