"""Writes of whole files."""

from __future__ import annotations

from devbench_core.channel import filecalls
from devbench_core.channel.file_messages import WriteFlag
from devbench_core.channel.replies import FileRefused
from devbench_core.errors import TooLarge, ValidationFailed
from devbench_core.files.conditions import checked_etag, checked_mode, condition_failed
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path
from devbench_core.files.powers import require
from devbench_core.files.translate import info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.file import FileWritten


def write_flags(*, parents: bool, conditional: bool, new: bool) -> WriteFlag:
    """Return the flags of a write."""
    flags = WriteFlag.PARENTS if parents else WriteFlag(0)
    if conditional:
        flags |= WriteFlag.IF_MATCH
    return flags | WriteFlag.CREATE_ONLY if new else flags


class Writing(Operations):
    """Write."""

    async def write(
        self,
        container: str,
        path: Path,
        data: bytes,
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
        mode: int | None = None,
        parents: bool = False,
        append: bool = False,
        durable: bool = False,
        replace_link: bool = False,
        caller: Caller = LOCAL,
    ) -> FileWritten:
        """Write a whole file, or append to it: readers see the old content or the new, never a part.

        A file that is written over keeps its owner and group (as far as the container's user may set them; where it may
        not keep the owner, the set-id bits go), its extended attributes of users and its access list. Other hard links
        go on with the old content. A file that the user may not write is refused, also where its folder would allow it.

        Args:
            container: Where.
            path: Which file; a final link is followed, beneath the workspace.
            data: The whole new content, or what is appended; at most ``files.write_max_bytes``.
            if_match: Only if the file's etag is this; of many writers with one etag one wins.
            if_none_match: Only if nothing is there yet.
            mode: Permission bits; None keeps an existing file's, else 0644.
            parents: Make missing folders.
            append: Put the data behind what is there, or make the file. Of any number of appends at once each is there
                once and whole. The file is made anew, so it needs space for both, and a program that holds the old one
                open does not see it.
            durable: Return only when file and folder are on disk.
            replace_link: A final link is not followed but replaced by the file.
            caller: Who asks.

        Raises:
            FileConflict: The condition does not hold; ``details["etag"]`` is the current etag, "" for none.
            FileMissing: A folder on the way is not there.
            TooLarge: The content is over the limit; nothing was changed.
        """
        if len(data) > self._limits.write_max_bytes:
            raise TooLarge(
                f"the content is {len(data)} bytes, at most {self._limits.write_max_bytes} are allowed",
                hint="raise files.write_max_bytes, or write it in parts",
                details={"limit": self._limits.write_max_bytes, "setting": "files.write_max_bytes"},
            )
        checked_mode("mode", mode)
        if append and replace_link:
            raise ValidationFailed("replace_link", "contradicts append", hint="a link has no content")
        flags = write_flags(parents=parents, conditional=if_match is not None, new=if_none_match)
        flags |= WriteFlag.APPEND if append else 0
        flags |= WriteFlag.FSYNC if durable else 0
        flags |= WriteFlag.REPLACE_LINK if replace_link else 0
        etag = checked_etag(if_match, exclusive=if_none_match)
        async with self._request("file.write", container, path, caller) as (channel, where, found):
            if append or replace_link:
                require(channel, "changes", "appending" if append else "replacing a link")
            try:
                written = await filecalls.write(channel, where, data, flags=flags, mode=mode, if_match=etag)
            except FileRefused as error:
                raise condition_failed(
                    error, where, conditional=if_match is not None, new=if_none_match
                ) from error
        info = info_of(where, written.stat)
        fields: dict[str, object] = {"path": str(info.path), "size_bytes": info.size_bytes}
        self._tell("file.written", caller, found, fields | {"created": written.created})
        return FileWritten(info=info, created=written.created)
