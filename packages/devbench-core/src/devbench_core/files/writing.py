"""Writes of whole files."""

from __future__ import annotations

from devbench_core.channel import filecalls
from devbench_core.channel.file_messages import WriteFlag
from devbench_core.channel.replies import FileRefused
from devbench_core.errors import TooLarge, ValidationFailed
from devbench_core.files.conditions import checked_etag, condition_failed
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path
from devbench_core.files.translate import info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.file import FileWritten

MODE_MAX = 0o7777


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
        caller: Caller = LOCAL,
    ) -> FileWritten:
        """Write a whole file: readers see the old content or the new, never a part.

        Args:
            container: Where.
            path: Which file; a final link is followed.
            data: The whole new content, at most ``files.write_max_bytes``.
            if_match: Only if the file's etag is this; of many writers with one etag one wins.
            if_none_match: Only if nothing is there yet.
            mode: Permission bits; None keeps an existing file's, else 0644.
            parents: Make missing folders.
            caller: Who asks.

        Raises:
            FileConflict: The condition does not hold; ``details["etag"]`` is the current etag, "" for none,
                ``details["if_match"]`` the given one.
            FileMissing: A folder on the way is not there.
            TooLarge: The content is over the limit; nothing was changed.
        """
        if len(data) > self._limits.write_max_bytes:
            raise TooLarge(
                f"the content is {len(data)} bytes, at most {self._limits.write_max_bytes} are allowed",
                hint="raise files.write_max_bytes, or write it in parts",
                details={"limit": self._limits.write_max_bytes, "setting": "files.write_max_bytes"},
            )
        if mode is not None and not 0 <= mode <= MODE_MAX:
            raise ValidationFailed("mode", "must be 0-0o7777", limit=MODE_MAX)
        flags = WriteFlag.PARENTS if parents else WriteFlag(0)
        if if_match is not None:
            flags |= WriteFlag.IF_MATCH
        if if_none_match:
            flags |= WriteFlag.CREATE_ONLY
        etag = checked_etag(if_match, exclusive=if_none_match)
        async with self._request("file.write", container, path, caller) as (channel, where, found):
            try:
                written = await filecalls.write(channel, where, data, flags=flags, mode=mode, if_match=etag)
            except FileRefused as error:
                raise condition_failed(
                    error, where, conditional=if_match is not None, new=if_none_match, if_match=etag
                ) from error
        info = info_of(where, written.stat)
        fields: dict[str, object] = {"path": str(info.path), "size_bytes": info.size_bytes}
        self._tell("file.written", caller, found, fields | {"created": written.created})
        return FileWritten(info=info, created=written.created)
