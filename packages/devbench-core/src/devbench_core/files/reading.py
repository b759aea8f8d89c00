"""Reads of single files, and what is at a path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from devbench_core.channel import changecalls, filecalls
from devbench_core.channel.change_messages import ALL_LINES
from devbench_core.channel.file_messages import Stat
from devbench_core.channel.linereply import LinesAsked, LinesRead, count_lines
from devbench_core.errors import FileConflict, ValidationFailed
from devbench_core.files.encodings import (
    ERRORS,
    SIGNED,
    TEXT_MIN_BYTES,
    Decoded,
    Encoding,
    Errors,
    decode,
    encoding_of,
)
from devbench_core.files.media import media_type
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path, absolute_path
from devbench_core.files.powers import require
from devbench_core.files.translate import info_of
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.file import FileContent, FileInfo

T = TypeVar("T")
OFFSET_MAX = 2**62
READ_TRIES = 3
MARK = "\ufeff"
THREAD_BYTES = 256 * 1024
"""Decoding more than this is done beside the event loop."""


class Reading(Operations):
    """Read and describe."""

    async def read(
        self,
        container: str,
        path: Path,
        *,
        offset: int = 0,
        max_bytes: int | None = None,
        encoding: str | None = None,
        errors: Errors = "strict",
        caller: Caller = LOCAL,
    ) -> FileContent:
        r"""Read a file, or a part of it.

        Args:
            container: Where.
            path: Which file; links are followed.
            offset: Where to begin, in bytes; at or beyond the end gives no bytes.
            max_bytes: The most to return, at most ``files.read_max_bytes``.
            encoding: Also decode it: any of Python's encodings of text. A character that the end of the part cuts is
                left to the next part.
            errors: What becomes of bytes that are no text: ``strict`` is an error, ``replace`` makes U+FFFD of them,
                ``backslashreplace`` makes ``\xNN`` of them.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileConflict: The file was changed each time that it was read, so no etag belongs to the bytes; read again.
            FileFailed: It is a folder, or no regular file, or may not be read.
            TextInvalid: It is no text in the encoding; names the position.
        """
        codec = _codec(encoding, errors)
        most = self._most(max_bytes, codec)
        if not 0 <= offset <= OFFSET_MAX:
            raise ValidationFailed("offset", "must not be negative")
        if codec is not None and codec.name in SIGNED and offset > 0:
            raise ValidationFailed(
                "encoding",
                f"{codec.name} has its order of bytes at the file's beginning only",
                hint=f"from another offset give {codec.name}-le or {codec.name}-be",
            )
        async with self._request("file.read", container, path, caller) as (channel, where, _):

            async def once() -> tuple[tuple[bytes, bool], Stat, bool]:
                stat, data, eof, changed = await filecalls.read(channel, where, offset=offset, max_bytes=most)
                return (data, eof), stat, changed

            (data, eof), info = await _steady(where, once)
        more = not eof and offset + len(data) < info.size_bytes
        beginning = data if offset == 0 and (data or not more) else None
        content = FileContent(
            info=info,
            data=data,
            offset=offset,
            truncated=more,
            next_offset=offset + len(data) if more else None,
            media=media_type(info.path, beginning),
        )
        return content if codec is None else await _as_text(content, codec, codec.name, errors)

    async def read_lines(
        self,
        container: str,
        path: Path,
        *,
        first: int = 1,
        count: int | None = None,
        max_bytes: int | None = None,
        encoding: str | None = "utf-8",
        errors: Errors = "strict",
        caller: Caller = LOCAL,
    ) -> FileContent:
        """Read lines; the agent finds them, so that nothing else travels. Lines end with a line feed.

        Args:
            container: Where.
            path: Which file; links are followed.
            first: Line to begin with, from 1; or from the end when negative: -1 is the last line.
            count: How many lines, None for all that follow.
            max_bytes: The most to return, at most ``files.read_max_bytes``; a last line that does not fit is cut.
            encoding: As of `read`; None for bytes, whose lines are those of UTF-8.
            errors: As of `read`.
            caller: Who asks.

        Raises:
            ValidationFailed: The encoding has no line feed of its own, for example an EBCDIC.
            TextInvalid: The lines are no text in the encoding; names the position in the file.
            FileFailed: As `read`.
            AgentOutdated: The container's agent is older than this.
        """
        codec = _codec(encoding, errors)
        asked = self._asked(first, count, max_bytes, codec)
        async with self._request("file.read", container, path, caller) as (channel, where, _):
            require(channel, "changes", "reading lines")

            async def once() -> tuple[LinesRead, Stat, bool]:
                read = await changecalls.read_lines(channel, where, asked)
                return read, read.stat, read.changed

            read, info = await _steady(where, once)
        content = _lines(info, read, asked)
        if codec is None:
            return content
        text = await _as_text(content, codec, codec.plain(read.order), errors)
        return text if content.offset > 0 else attrs.evolve(text, text=(text.text or "").removeprefix(MARK))

    def _most(self, max_bytes: int | None, codec: Encoding | None) -> int:
        least = 0 if codec is None else TEXT_MIN_BYTES
        most = self._limits.read_max_bytes if max_bytes is None else max_bytes
        if not least <= most <= max(least, self._limits.read_max_bytes):
            raise ValidationFailed(
                "max_bytes",
                f"must be {least}-{self._limits.read_max_bytes}",
                limit=self._limits.read_max_bytes,
            )
        return most

    def _asked(
        self, first: int, count: int | None, max_bytes: int | None, codec: Encoding | None
    ) -> LinesAsked:
        if first == 0 or abs(first) > OFFSET_MAX:
            raise ValidationFailed("first", "counts from 1, or from the end when negative")
        if count is not None and not 1 <= count <= OFFSET_MAX:
            raise ValidationFailed("count", "must be at least 1", limit=1)
        unit = codec or encoding_of("utf-8")
        if not unit.lines:
            raise ValidationFailed(
                "encoding", f"lines of {unit.name} do not end with a line feed", hint="read it by offsets"
            )
        most = self._most(max_bytes, codec)
        return LinesAsked(
            first=first,
            count=ALL_LINES if count is None else count,
            most=most - most % unit.width,
            width=unit.width,
            order=unit.order,
        )

    async def stat(
        self, container: str, path: Path, *, follow: bool = False, caller: Caller = LOCAL
    ) -> FileInfo:
        """Describe what is at a path; a final link is described itself unless it is followed.

        Raises:
            FileMissing: Nothing is there, or where the link points.
        """
        async with self._request("file.stat", container, path, caller) as (channel, where, _):
            return info_of(where, await filecalls.stat(channel, where, follow=follow))


async def _steady(where: bytes, once: Callable[[], Awaitable[tuple[T, Stat, bool]]]) -> tuple[T, FileInfo]:
    """Read until nothing changed meanwhile, a few times; what changes would have two states in it."""
    for _ in range(READ_TRIES):
        found, stat, changed = await once()
        if not changed:
            return found, info_of(where, stat)
    name = str(absolute_path(where))
    raise FileConflict(
        f"{name!r} was changed while it was read, {READ_TRIES} times",
        hint="read it again, or copy it by a command in the container and read the copy",
        details={"path": name, "etag": ""},
    )


def _codec(encoding: str | None, errors: str) -> Encoding | None:
    if errors not in ERRORS:
        raise ValidationFailed("errors", f"must be one of {', '.join(ERRORS)}")
    return None if encoding is None else encoding_of(encoding)


def _lines(info: FileInfo, read: LinesRead, asked: LinesAsked) -> FileContent:
    found = count_lines(read.data, asked.width, read.order)
    end = read.offset + len(read.data)
    cut = not read.eof and found < asked.count
    whole = not read.eof and (found == asked.count or (bool(read.data) and _ends(read, asked)))
    return FileContent(
        info=info,
        data=read.data,
        offset=read.offset,
        truncated=cut,
        next_offset=None if read.eof else end,
        first_line=read.number or None,
        next_line=read.number + found if whole and read.number else None,
        media=media_type(info.path, read.data if read.offset == 0 and (read.data or read.eof) else None),
    )


def _ends(read: LinesRead, asked: LinesAsked) -> bool:
    return count_lines(read.data[-asked.width :], asked.width, read.order) == 1


async def _as_text(content: FileContent, codec: Encoding, name: str, errors: Errors) -> FileContent:
    path, last = str(content.info.path), content.next_offset is None

    def run() -> Decoded:
        return decode(content.data, name, errors, last=last, path=path, offset=content.offset)

    decoded = await asyncio.to_thread(run) if len(content.data) > THREAD_BYTES else run()
    if decoded.used == len(content.data):
        return attrs.evolve(content, text=decoded.text, encoding=codec.name)
    return attrs.evolve(
        content,
        data=content.data[: decoded.used],
        text=decoded.text,
        encoding=codec.name,
        truncated=True,
        next_offset=content.offset + decoded.used,
    )
