"""Folders: list, make, and delete what is in them."""

from __future__ import annotations

from devbench_core.channel import changecalls, filecalls
from devbench_core.channel.replies import FileRefused
from devbench_core.errors import ValidationFailed
from devbench_core.files.conditions import checked_etag, checked_mode, condition_failed
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path, absolute_path, name_bytes, name_text
from devbench_core.files.powers import require
from devbench_core.files.roots import OTHER_FILE_SYSTEM
from devbench_core.files.translate import info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.file import FileInfo, FileListing

NAME_MAX_BYTES = 255


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
        last = _last_name(after)
        async with self._request("file.list", container, path, caller) as (channel, where, _):
            entries, more = await filecalls.list_dir(channel, where, after=last, limit=size)
        prefix = where + b"/" if where else b""
        infos = tuple(info_of(prefix + entry.name, entry.stat) for entry in entries)
        return FileListing(entries=infos, cursor=name_text(entries[-1].name) if more and entries else "")

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
            FileFailed: ``not_empty``, ``other_file_system`` (a folder of the image's), or it is a root itself.
        """
        etag = checked_etag(if_match)
        async with self._request("file.delete", container, path, caller) as (channel, where, found):
            try:
                await filecalls.delete(channel, where, recursive=recursive, if_match=etag)
            except FileRefused as error:
                failed = condition_failed(error, where, conditional=False, new=False, if_match=etag)
                if failed.details.get("reason") == OTHER_FILE_SYSTEM:
                    failed.hint = "it cannot be taken away as a whole: delete what is in it by a command"
                raise failed from error
        self._tell("file.deleted", caller, found, {"path": str(absolute_path(where)), "recursive": recursive})


def _last_name(cursor: str) -> bytes:
    try:
        name = name_bytes(cursor)
    except UnicodeEncodeError:
        name = b"/"
    if b"\0" in name or b"/" in name or len(name) > NAME_MAX_BYTES:
        raise ValidationFailed("after", "is no cursor of a listing", hint="'' begins anew")
    return name
