"""Reads of single files, and what is at a path."""

from __future__ import annotations

from devbench_core.channel import filecalls
from devbench_core.errors import FileConflict, ValidationFailed
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path
from devbench_core.files.translate import info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.file import FileContent, FileInfo

OFFSET_MAX = 2**62


class Reading(Operations):
    """Read and describe."""

    async def read(
        self,
        container: str,
        path: Path,
        *,
        offset: int = 0,
        max_bytes: int | None = None,
        caller: Caller = LOCAL,
    ) -> FileContent:
        """Read a file, or a part of it.

        Args:
            container: Where.
            path: Which file; links are followed.
            offset: Where to begin, in bytes; at or beyond the end gives no bytes.
            max_bytes: The most to return, at most ``files.read_max_bytes``.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileConflict: The file was changed while it was read, so no etag belongs to the bytes; read again.
            FileFailed: It is a folder, or no regular file, or may not be read.
        """
        most = self._limits.read_max_bytes if max_bytes is None else max_bytes
        if not 0 <= offset <= OFFSET_MAX:
            raise ValidationFailed("offset", "must not be negative")
        if not 0 <= most <= self._limits.read_max_bytes:
            raise ValidationFailed(
                "max_bytes", f"must be 0-{self._limits.read_max_bytes}", limit=self._limits.read_max_bytes
            )
        async with self._request("file.read", container, path, caller) as (channel, where, _):
            stat, data, eof, changed = await filecalls.read(channel, where, offset=offset, max_bytes=most)
        info = info_of(where, stat)
        if changed:
            raise FileConflict(
                f"{str(info.path)!r} was changed while it was read",
                hint="read it again",
                details={"path": str(info.path), "etag": ""},
            )
        more = not eof and offset + len(data) < info.size_bytes
        return FileContent(info=info, data=data, offset=offset, truncated=more)

    async def stat(self, container: str, path: Path, *, caller: Caller = LOCAL) -> FileInfo:
        """Describe what is at a path; a final link is described itself.

        Raises:
            FileMissing: Nothing is there.
        """
        async with self._request("file.stat", container, path, caller) as (channel, where, _):
            return info_of(where, await filecalls.stat(channel, where))
