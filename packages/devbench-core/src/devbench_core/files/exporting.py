"""Archives out of a workspace."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import attrs

from devbench_core.archives.entry import EntryType
from devbench_core.archives.tar_writer import TarWriter
from devbench_core.archives.writer import Head, Writer
from devbench_core.archives.zip_writer import ZipWriter
from devbench_core.channel import filecalls, streamcalls
from devbench_core.channel.file_messages import NodeType, Stat
from devbench_core.channel.replies import FileRefused
from devbench_core.channel.streamcalls import ReadStream
from devbench_core.errors import TooLarge
from devbench_core.files.archiving import chosen
from devbench_core.files.ignoring import Ignore
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path, agent_path, name_text
from devbench_core.files.settings import FileLimits
from devbench_core.files.steady import GONE, Asked, Beginning, all_of, never_steady, steady
from devbench_core.files.streaming import changed
from devbench_core.files.translate import error_of, info_of
from devbench_core.model.archive import ArchiveFormat
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.values import frozen

PAGE = 200
AHEAD = 8
"""Small files that are read while one is written out."""
WHOLE_BYTES = 1_048_576
"""Up to this a file is read whole before it is written out, so that it can be read again when it changed."""
TRIES = 2
"""So often a small file is simply read; then the agent makes a copy of it at one moment, as of a large one."""
TYPES = {NodeType.FILE: EntryType.FILE, NodeType.DIRECTORY: EntryType.FOLDER, NodeType.LINK: EntryType.LINK}


@frozen
class Found:
    """What is to be written out.

    Attributes:
        where: Its path in the workspace.
        name: Its name in the archive.
        stat: As it was listed.
    """

    where: bytes
    name: bytes
    stat: Stat


@attrs.define(kw_only=True)
class Tally:
    """What was written out so far."""

    limits: FileLimits
    entries: int = 0
    size: int = 0

    def count(self, size: int) -> None:
        """Count an entry.

        Raises:
            TooLarge: There are too many, or they are too large.
        """
        self.entries += 1
        self.size += size
        for what, limit, name in (
            (self.entries, self.limits.archive_max_entries, "archive_max_entries"),
            (self.size, self.limits.archive_max_bytes, "archive_max_bytes"),
        ):
            if what > limit:
                raise TooLarge(
                    f"the archive would hold more than files.{name} allows, which is {limit}",
                    hint=f"leave something out with `ignore`, or raise files.{name}",
                    details={"limit": limit, "setting": f"files.{name}"},
                )


class Exporting(Operations):
    """Archives out of a workspace."""

    async def export_archive(
        self,
        container: str,
        path: Path = ".",
        *,
        format: ArchiveFormat | str,  # noqa: A002 - as it is called everywhere
        ignore: Sequence[str] = (),
        caller: Caller = LOCAL,
    ) -> AsyncGenerator[bytes]:
        """Give a folder, or a single file, as an archive, in pieces and in constant memory.

        Each file is whole as of one moment, or, of one that only grows, what it held at one moment: one that changes
        while it is read is copied by the agent until a copy was the same as the file, ``files.export_attempts`` times.
        When that cannot be had the archive is given up, with an error, and not ended; as a tar or zip without its
        end it is then refused by whatever reads it. Links are links; devices, pipes and sockets are left out; what
        vanishes meanwhile, too. Entries come folder by folder, by rising names (in the order of their bytes).

        Args:
            container: Where.
            path: What.
            format: How.
            ignore: Patterns of what is left out, as in a ``.gitignore``.
            caller: Who asks.

        Raises:
            FileMissing: Nothing is there.
            FileConflict: A file does not stop changing, in more ways than that it grows.
            FileFailed: A file may not be read; ``details["path"]`` says which.
            TooLarge: ``files.archive_max_entries`` or ``archive_max_bytes``.
        """
        kind = chosen("format", ArchiveFormat, format)
        rules = Ignore(ignore)
        where = agent_path(path, self._limits)
        writer: Writer = ZipWriter() if kind is ArchiveFormat.ZIP else TarWriter(kind)
        tally = Tally(limits=self._limits)
        async with (
            self._unbound("file.export", container, where, caller, holds=False) as (channel, at),
            aclosing(
                _found(asked := Asked(channel, lambda: self._turn(at.id, waits=False)), where, rules)
            ) as found,
            aclosing(_read_ahead(asked, found, self._limits)) as ready,
        ):
            async for entry, whole in ready:
                pieces = (
                    _large(asked, writer, entry, tally) if whole is None else _small(writer, *whole, tally)
                )
                async with aclosing(pieces):
                    async for piece in pieces:
                        if piece:
                            yield piece
            yield await writer.finish()


async def _found(asked: Asked, where: bytes, ignore: Ignore) -> AsyncGenerator[Found]:
    """Give what is at a path, and of a folder what is in it, depth first."""
    async with asked.turn():
        stat = await filecalls.stat(asked.channel, where, follow=True)
    if stat.type is not NodeType.DIRECTORY:
        yield Found(where=where, name=where.rpartition(b"/")[2], stat=stat)
        return
    levels: list[_Level] = [_Level(where=where, prefix=b"")]
    while levels:
        level = levels[-1]
        if not level.waiting and not await level.more(asked):
            levels.pop()
            continue
        found = level.waiting.popleft()
        folder = found.stat.type is NodeType.DIRECTORY
        if found.stat.type not in TYPES or ignore.leaves_out(name_text(found.name), folder=folder):
            continue
        yield found
        if folder:
            levels.append(_Level(where=found.where, prefix=found.name + b"/"))


@attrs.define(kw_only=True, eq=False)
class _Level:
    """A folder on the way down."""

    where: bytes
    prefix: bytes
    waiting: deque[Found] = attrs.field(factory=deque[Found])
    _after: bytes = b""
    _over: bool = False

    async def more(self, asked: Asked) -> bool:
        """Fetch the next page; tell whether there is anything."""
        if self._over:
            return False
        try:
            async with asked.turn():
                entries, more = await filecalls.list_dir(
                    asked.channel, self.where, after=self._after, limit=PAGE
                )
        except FileRefused as error:
            if error.reply.code in GONE and self.prefix:
                return False
            raise error_of(error, self.where) from error
        self._over = not more
        beneath = self.where + b"/" if self.where else b""
        for entry in entries:
            self.waiting.append(
                Found(where=beneath + entry.name, name=self.prefix + entry.name, stat=entry.stat)
            )
            self._after = entry.name
        return bool(entries)


Whole = tuple[Found, bytes]
Taken = tuple[Found, bytes | None]
"""An entry with its content; without, when it is large by now."""


async def _read_ahead(
    asked: Asked, found: AsyncGenerator[Found], limits: FileLimits
) -> AsyncGenerator[tuple[Found, Whole | None]]:
    """Give each entry with its content, None for a large file; several small ones are read at once.

    At most `AHEAD` times `WHOLE_BYTES` are held, however files grow meanwhile.
    """
    waiting: deque[tuple[Found, asyncio.Task[Taken | None] | None]] = deque()
    try:
        ended = False
        while waiting or not ended:
            while not ended and len(waiting) < AHEAD:
                try:
                    entry = await anext(found)
                except StopAsyncIteration:
                    ended = True
                    break
                large = entry.stat.type is NodeType.FILE and entry.stat.size > WHOLE_BYTES
                waiting.append((entry, None if large else asyncio.create_task(_whole(asked, entry, limits))))
            if not waiting:
                break
            entry, task = waiting.popleft()
            if task is None:
                yield entry, None
                continue
            try:
                whole = await task
            finally:
                task.cancel()
            if whole is not None:
                taken, data = whole
                yield entry, None if data is None else (taken, data)
    finally:
        for _, task in waiting:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for _, task in waiting if task is not None), return_exceptions=True)


async def _whole(asked: Asked, entry: Found, limits: FileLimits) -> Taken | None:
    """Read a small file until it holds still; without content when it is large by now, None when it has vanished."""
    if entry.stat.type is not NodeType.FILE:
        return entry, b""
    try:
        return await _read(asked, entry, TRIES) or await _copied(asked, entry, limits)
    except FileRefused as error:
        if error.reply.code in GONE:
            return None
        raise error_of(error, entry.where) from error


async def _read(asked: Asked, entry: Found, tries: int) -> Taken | None:
    for _ in range(tries):
        async with asked.turn():
            stat, data, eof, moved = await filecalls.read(
                asked.channel, entry.where, offset=0, max_bytes=WHOLE_BYTES
            )
        if stat.size > WHOLE_BYTES:  # it has grown since it was listed
            return entry, None
        if eof and not moved and len(data) == stat.size:
            return attrs.evolve(entry, stat=stat), data
    return None


async def _copied(asked: Asked, entry: Found, limits: FileLimits) -> Taken:
    async with steady(asked, entry.where, limits) as copy:
        if copy is not None and copy.stat.size > WHOLE_BYTES:
            return entry, None
        if copy is not None:
            return attrs.evolve(entry, stat=copy.stat), await all_of(copy)
    whole = await _read(asked, entry, limits.export_attempts)
    if whole is None:
        raise never_steady(entry.where, limits)
    return whole


async def _small(writer: Writer, entry: Found, data: bytes, tally: Tally) -> AsyncGenerator[bytes]:
    tally.count(len(data))
    yield await writer.begin(_head(entry, entry.stat, len(data)))
    if data:
        yield await writer.content(data)
    yield await writer.end()


async def _large(asked: Asked, writer: Writer, entry: Found, tally: Tally) -> AsyncGenerator[bytes]:
    """Write out a file of any size: from a copy of one moment, else as it is, when it does no more than grow."""
    try:
        async with steady(asked, entry.where, tally.limits) as copy:
            if copy is not None:
                async with aclosing(
                    _content(writer, entry, copy, Beginning(copy, copy.stat.size), tally)
                ) as pieces:
                    async for piece in pieces:
                        yield piece
                yield await writer.end()
                return
        async with asked.turn(), streamcalls.open_read(asked.channel, entry.where) as stream:
            beginning = Beginning(stream, stream.stat.size)
            async with aclosing(_content(writer, entry, stream, beginning, tally)) as pieces:
                async for piece in pieces:
                    yield piece
        async with asked.turn():
            if not await beginning.is_whole(asked.channel, entry.where):
                raise changed(info_of(entry.where, stream.stat))
        yield await writer.end()
    except FileRefused as error:
        raise error_of(error, entry.where) from error


async def _content(
    writer: Writer, entry: Found, stream: ReadStream, beginning: Beginning, tally: Tally
) -> AsyncGenerator[bytes]:
    tally.count(stream.stat.size)
    yield await writer.begin(_head(entry, stream.stat, stream.stat.size))
    async with aclosing(beginning.pieces()) as pieces:
        async for piece in pieces:
            yield await writer.content(piece)


def _head(entry: Found, stat: Stat, size: int) -> Head:
    return Head(
        name=entry.name,
        type=TYPES[entry.stat.type],
        mode=stat.mode,
        mtime_ns=stat.mtime_ns,
        size=size if entry.stat.type is NodeType.FILE else 0,
        target=stat.target,
    )
