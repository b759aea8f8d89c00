"""Contents of single files as streams: of any size, in constant memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager

import attrs

from devbench_core.channel import streamcalls
from devbench_core.channel.file_messages import TO_THE_END
from devbench_core.channel.replies import FileRefused
from devbench_core.channel.streamcalls import ReadStream
from devbench_core.errors import FileConflict, TooLarge, ValidationFailed
from devbench_core.files.conditions import checked_etag, checked_mode, condition_failed
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path, absolute_path, agent_path
from devbench_core.files.reading import OFFSET_MAX
from devbench_core.files.translate import info_of
from devbench_core.files.writing import write_flags
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.file import FileInfo, FileWritten


@attrs.frozen(kw_only=True, eq=False)
class FileStream:
    """A file that is being read; iterate it once.

    Attributes:
        info: What it was when the read began.
        source: Where the content comes from.
    """

    info: FileInfo
    source: ReadStream = attrs.field(repr=False)

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        """Give the content in pieces.

        Raises:
            FileConflict: At the end: the file was changed meanwhile, so no etag belongs to these bytes.
            AgentUnavailable: The channel was cut; read on from what came.
        """
        while (piece := await self.source.next()) is not None:
            yield piece
        if (await self.source.end()).changed:
            raise changed(self.info)


def changed(info: FileInfo) -> FileConflict:
    """Return the error for a file that was changed while it was read."""
    return FileConflict(
        f"{str(info.path)!r} was changed while it was read",
        hint="read it again",
        details={"path": str(info.path), "etag": ""},
    )


class Streaming(Operations):
    """Streams."""

    @asynccontextmanager
    async def read_stream(
        self,
        container: str,
        path: Path,
        *,
        offset: int = 0,
        max_bytes: int | None = None,
        caller: Caller = LOCAL,
    ) -> AsyncGenerator[FileStream]:
        """Read a file of any size while the block lasts, at the pace of the reader.

        Args:
            container: Where.
            path: Which file; links are followed.
            offset: Where to begin, in bytes.
            max_bytes: The most to read; None reads to the end.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileFailed: It is a folder, or no regular file, or may not be read.
        """
        if not 0 <= offset <= OFFSET_MAX:
            raise ValidationFailed("offset", "must not be negative")
        if max_bytes is not None and not 0 <= max_bytes <= OFFSET_MAX:
            raise ValidationFailed("max_bytes", "must not be negative")
        where = agent_path(path, self._limits)
        most = TO_THE_END if max_bytes is None else max_bytes
        async with (
            self._unbound("file.read", container, where, caller) as (channel, _),
            streamcalls.open_read(channel, where, offset=offset, max_bytes=most) as stream,
        ):
            yield FileStream(info=info_of(where, stream.stat), source=stream)

    async def write_stream(
        self,
        container: str,
        path: Path,
        stream: AsyncIterable[bytes],
        *,
        if_match: str | None = None,
        if_none_match: bool = False,
        mode: int | None = None,
        parents: bool = False,
        caller: Caller = LOCAL,
    ) -> FileWritten:
        """Write a whole file from a stream, at the pace of the slower side; `Files.write` in all else.

        Nothing is seen of it before all of it is there. When the stream fails, or is over
        ``files.stream_max_bytes``, nothing was changed.

        Raises:
            FileConflict: The condition does not hold; ``details["etag"]`` is the current etag, "" for none.
            FileMissing: A folder on the way is not there.
            TooLarge: The content is over the limit.
        """
        checked_mode("mode", mode)
        where = agent_path(path, self._limits)
        etag = checked_etag(if_match, exclusive=if_none_match)
        flags = write_flags(parents=parents, conditional=if_match is not None, new=if_none_match)
        total = 0

        def count(size: int) -> None:
            nonlocal total
            total += size
            if total > self._limits.stream_max_bytes:
                raise _too_large(self._limits.stream_max_bytes)

        async with self._unbound("file.write", container, where, caller) as (channel, found):
            try:
                written = await streamcalls.write_stream(
                    channel,
                    where,
                    stream,
                    flags=flags,
                    mode=mode,
                    if_match=etag,
                    count=count,
                    end_timeout_s=self._limits.operation_timeout_s,
                )
            except FileRefused as error:
                raise condition_failed(
                    error, where, conditional=if_match is not None, new=if_none_match
                ) from error
        info = info_of(where, written.stat)
        fields: dict[str, object] = {"path": str(absolute_path(where)), "size_bytes": info.size_bytes}
        self._tell("file.written", caller, found, fields | {"created": written.created})
        return FileWritten(info=info, created=written.created)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"the content is over {limit} bytes",
        hint="raise files.stream_max_bytes",
        details={"limit": limit, "setting": "files.stream_max_bytes"},
    )
