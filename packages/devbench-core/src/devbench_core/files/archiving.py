"""Archives into and out of a workspace."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import BinaryIO, TypeVar, cast

import attrs

from devbench_core.archives.decompress import Budget, unpacked
from devbench_core.archives.entry import Entry, EntryType
from devbench_core.archives.guard import Guard, Taken
from devbench_core.archives.source import Source
from devbench_core.archives.tar_reader import tar_entries
from devbench_core.archives.zip_reader import ZipReader
from devbench_core.bounds import bound
from devbench_core.channel import batchcalls
from devbench_core.channel.batch_messages import BatchOp, Kind, OpFlag
from devbench_core.channel.batchcalls import BatchStream, OperationRefused
from devbench_core.channel.file_messages import KEEP_MODE
from devbench_core.errors import TooLarge, ValidationFailed
from devbench_core.files.conditions import condition_failed
from devbench_core.files.operations import Operations
from devbench_core.files.paths import Path, absolute_path, agent_path
from devbench_core.files.powers import require
from devbench_core.files.roots import folders_beneath, root_of
from devbench_core.files.translate import error_of
from devbench_core.model.archive import ArchiveFormat, Imported, SetId
from devbench_core.model.caller import LOCAL, Caller
from devbench_core.model.container import Container

UNKNOWN = "whether all of it is there, or will be, or nothing"
TURN = 64  # operations sent before other tasks get a turn
E = TypeVar("E", bound=StrEnum)


class Importing(Operations):
    """Archives into a workspace."""

    async def import_archive(
        self,
        container: str,
        path: Path,
        stream: AsyncIterable[bytes],
        *,
        format: ArchiveFormat | str,  # noqa: A002 - as it is called everywhere
        overwrite: bool = True,
        set_id: SetId | str = SetId.DROP,
        durable: bool = False,
        caller: Caller = LOCAL,
    ) -> Imported:
        """Unpack an archive beneath a folder: all of it or nothing, as one batch.

        Files keep the archive's permission bits and times, new folders too; the owner is the container's user.
        What is there stays unless the archive has something of the same name. An archive that would write outside
        the folder, link out of it, or unpack to more than is allowed is refused, and then nothing was changed.

        Args:
            container: Where.
            path: The folder; made when it is missing.
            stream: The archive, in pieces. A zip is kept in a temporary file on the host meanwhile.
            format: Its format.
            overwrite: Whether files of the same names are replaced; else they refuse the import.
            set_id: What becomes of set-id and sticky bits.
            durable: Have it on disk before this returns.
            caller: Who asks.

        Raises:
            ArchiveRefused: The archive is damaged, or holds what is not taken.
            TooLarge: ``files.archive_max_entries``, ``archive_max_bytes``, ``archive_max_ratio`` or, for a zip,
                ``archive_spool_max_bytes``.
            FileConflict: ``overwrite`` is off and a file is there.
            FileFailed: A folder is where a file should be, or the like; ``details["path"]`` says where.
        """
        kind = chosen("format", ArchiveFormat, format)
        bits = chosen("set_id", SetId, set_id)
        where = agent_path(path, self._limits)
        doing = f"file.import of {str(absolute_path(where))!r}"
        async with self._unbound("file.import", container, where, caller) as (channel, found):
            require(channel, "batch", "an import")
            root = root_of(where, found.spec.policy.file_roots)
            async with batchcalls.open_batch(channel, durable=durable, quiet=True) as batch:
                importer = Import(
                    batch=batch,
                    root=root,
                    folder=where,
                    overwrite=overwrite,
                    guard=self._guard(where, bits),
                )
                try:
                    async with self._entries(kind, stream) as entries:
                        async for entry in entries:
                            await self._one(importer, entry, found, caller)
                    await importer.dress()
                    limit_s = self._limits.operation_timeout_s
                    async with bound(limit_s, "files.operation_timeout_s", doing, unknown=UNKNOWN):
                        await batch.commit()
                except OperationRefused as error:
                    raise importer.named(error) from error
        report = importer.report()
        fields: dict[str, object] = {"path": str(absolute_path(where)), "entries": report.entries}
        self._tell("file.imported", caller, found, fields | {"size_bytes": report.size_bytes})
        return report

    async def _one(self, importer: Import, entry: Entry, found: Container, caller: Caller) -> None:
        taken = importer.guard.take(entry)
        if taken.path:
            self._review("file.write", caller, found, importer.place(taken.path))
        await importer.add(taken)

    def _guard(self, where: bytes, set_id: SetId) -> Guard:
        limits = self._limits
        return Guard(
            max_entries=limits.archive_max_entries,
            name_max_bytes=limits.name_max_bytes,
            path_max_bytes=limits.path_max_bytes - len(where) - 1,
            set_id=set_id,
        )

    @asynccontextmanager
    async def _entries(
        self, kind: ArchiveFormat, stream: AsyncIterable[bytes]
    ) -> AsyncGenerator[AsyncIterator[Entry]]:
        budget = Budget(self._limits.archive_max_bytes, self._limits.archive_max_ratio)
        if kind is not ArchiveFormat.ZIP:
            yield tar_entries(Source(unpacked(kind, stream, budget)))
            return
        file = cast("BinaryIO", await asyncio.to_thread(tempfile.TemporaryFile))
        try:
            size = await _spool(stream, file, self._limits.archive_spool_max_bytes)
            yield ZipReader(file, size, budget).entries()
        finally:
            await asyncio.to_thread(file.close)


@attrs.define(kw_only=True, eq=False)
class Import:
    """Entries on their way into a batch.

    Attributes:
        batch: Where they go.
        root: In which root.
        folder: Beneath which folder.
        overwrite: Whether they may replace files.
        guard: What is taken.
    """

    batch: BatchStream
    root: bytes
    folder: bytes
    overwrite: bool
    guard: Guard
    _folders: dict[bytes, int] = attrs.field(factory=dict[bytes, int])
    _files: dict[bytes, int] = attrs.field(factory=dict[bytes, int])
    _dresses: dict[bytes, tuple[int, int | None]] = attrs.field(factory=dict[bytes, tuple[int, "int | None"]])
    _counts: dict[EntryType, int] = attrs.field(factory=lambda: dict.fromkeys(EntryType, 0))
    _bytes: int = 0
    _begun: bool = False

    def place(self, path: bytes) -> bytes:
        """Return a path beneath the folder."""
        return self.folder + b"/" + path if self.folder and path else self.folder or path

    async def add(self, taken: Taken) -> None:
        """Add an entry."""
        await self._begin()
        for folder in taken.missing:
            await self._make(folder)
        entry = taken.entry
        self._counts[entry.type] += 1
        if entry.type is EntryType.FOLDER:
            if taken.path:
                await self._make(taken.path)
                self._dresses[taken.path] = (taken.mode, entry.mtime_ns)
        elif entry.type is EntryType.FILE:
            await self._file(taken)
        elif entry.type is EntryType.LINK:
            await self._send(Kind.LINK, taken, other=entry.target)
        else:
            self._files[taken.path] = await self._send(Kind.HARD_LINK, taken, size=self._files[taken.twin])

    async def dress(self) -> None:
        """Give the new folders their modes and times, the lower ones first."""
        await self._begin()
        for path in sorted(self._dresses, reverse=True):
            mode, mtime = self._dresses[path]
            operation = BatchOp(
                kind=Kind.DRESS,
                flags=int(OpFlag.CREATE_ONLY),
                mode=mode,
                size=self._folders[path],
                path=self.place(path),
            )
            await self._add(operation if mtime is None else attrs.evolve(operation, mtime_ns=mtime))

    def report(self) -> Imported:
        """Return what it brought."""
        return Imported(
            entries=self.guard.entries,
            files=self._counts[EntryType.FILE] + self._counts[EntryType.HARD_LINK],
            folders=self._counts[EntryType.FOLDER],
            links=self._counts[EntryType.LINK],
            size_bytes=self._bytes,
        )

    def named(self, error: OperationRefused) -> Exception:
        """Return the error of the operation that the import was refused for."""
        for paths in (self._files, self._folders):
            for path, index in paths.items():
                if index == error.index:
                    return condition_failed(
                        error, self.place(path), conditional=False, new=not self.overwrite
                    )
        return error_of(error, self.folder)

    async def _begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        for folder in folders_beneath(self.root, self.folder):
            await self._add(BatchOp(kind=Kind.MKDIR, flags=int(OpFlag.MAY_EXIST), path=folder))

    async def _make(self, folder: bytes) -> None:
        if folder in self._folders:
            return
        operation = BatchOp(kind=Kind.MKDIR, flags=int(OpFlag.MAY_EXIST), path=self.place(folder))
        self._folders[folder] = await self._add(operation)

    async def _file(self, taken: Taken) -> None:
        self._files[taken.path] = await self._send(Kind.WRITE, taken, size=taken.entry.size)
        if taken.entry.content is not None:
            async for piece in taken.entry.content:
                self._bytes += len(piece)
                await self.batch.content(piece)

    async def _send(self, kind: Kind, taken: Taken, *, size: int = 0, other: bytes = b"") -> int:
        again = taken.path in self._files  # a second time in this archive: the later one counts
        create = not self.overwrite and not again
        flags = OpFlag.NO_FOLLOW | (OpFlag.CREATE_ONLY if create else OpFlag(0))
        operation = BatchOp(
            kind=kind,
            flags=int(flags),
            mode=taken.mode if kind is Kind.WRITE else KEEP_MODE,
            size=size,
            path=self.place(taken.path),
            other=other,
        )
        mtime = taken.entry.mtime_ns
        index = await self._add(operation if mtime is None else attrs.evolve(operation, mtime_ns=mtime))
        self._files[taken.path] = index
        return index

    async def _add(self, operation: BatchOp) -> int:
        if self.batch.count % TURN == TURN - 1:
            await asyncio.sleep(0)  # others get a turn
        if self.batch.is_full:
            raise TooLarge(
                "the archive has more entries and folders than an agent takes at once",
                hint="import it in parts",
                details={"limit": self.batch.count},
            )
        return await self.batch.add(operation)


def chosen(field: str, values: type[E], value: E | str) -> E:
    """Return one of some values.

    Raises:
        ValidationFailed: It is none of them.
    """
    try:
        return values(value)
    except ValueError as error:
        raise ValidationFailed(field, f"must be one of {', '.join(values)}", limit=list(values)) from error


async def _spool(stream: AsyncIterable[bytes], file: BinaryIO, most: int) -> int:
    size = 0
    async for piece in stream:
        size += len(piece)
        if size > most:
            raise TooLarge(
                f"the zip is over {most} bytes",
                hint="raise files.archive_spool_max_bytes, or use tar, which needs no room on the host",
                details={"limit": most, "setting": "files.archive_spool_max_bytes"},
            )
        await asyncio.to_thread(file.write, piece)
    return size
