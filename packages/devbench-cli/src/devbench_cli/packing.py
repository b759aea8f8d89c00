"""A folder of this machine as a tar, in pieces, and a tar into a folder; both in threads and in constant memory."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Sequence
from pathlib import Path

import attrs

from devbench_core.archives.decompress import Budget, unpacked
from devbench_core.archives.entry import Entry, EntryType
from devbench_core.archives.guard import Guard, Taken
from devbench_core.archives.source import Source
from devbench_core.archives.tar_reader import tar_entries
from devbench_core.errors import Conflict, ValidationFailed
from devbench_core.files.ignoring import Ignore
from devbench_core.model.archive import ArchiveFormat, SetId
from devbench_core.tool import ProgressSink

PIECE_BYTES = 262_144
BLOCK = 512
ENTRIES_MAX = 1_000_000
BYTES_MAX = 2**50
NAME_MAX, PATH_MAX = 255, 4095
USABLE = 0o700
IGNORE_FILE_MAX_BYTES = 65_536


def patterns_of(file: Path | None, more: Sequence[str]) -> list[str]:
    """Return the patterns of an ignore file and further ones.

    Raises:
        ValidationFailed: The file cannot be read, or is no text.
    """
    if file is None:
        return list(more)
    try:
        with file.open(encoding="utf-8") as opened:
            return [*opened.read(IGNORE_FILE_MAX_BYTES).splitlines(), *more]
    except (OSError, UnicodeDecodeError) as error:
        raise ValidationFailed("--ignore-file", f"{str(file)!r} cannot be read: {error}") from error


@attrs.define(eq=False)
class Packed:
    """What is packed so far."""

    entries: int = 0
    size: int = 0


async def packed(folder: Path, ignore: Ignore, progress: ProgressSink, done: Packed) -> AsyncGenerator[bytes]:
    """Give a folder of this machine as a tar.

    Raises:
        ValidationFailed: It is no folder, or something in it cannot be read.
        Conflict: A file changed its size while it was read.
    """
    pieces = _pack(folder, ignore, done)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        await progress(done.size, None, f"{done.entries} entries")
        yield piece


def _pack(folder: Path, ignore: Ignore, done: Packed) -> Iterator[bytes]:
    try:
        for path, name in _walk(folder, "", ignore):
            done.entries += 1
            yield from _packed_one(path, name, done)
    except OSError as error:
        raise ValidationFailed("SOURCE", f"{error.filename!r} cannot be read: {error.strerror}") from error
    yield bytes(2 * BLOCK)


def _walk(folder: Path, prefix: str, ignore: Ignore) -> Iterator[tuple[Path, str]]:
    with os.scandir(folder) as listed:
        entries = sorted(listed, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        name = prefix + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        taken = is_folder or entry.is_symlink() or entry.is_file(follow_symlinks=False)
        if not taken or ignore.leaves_out(name, folder=is_folder):
            continue
        yield Path(entry.path), name
        if is_folder:
            yield from _walk(Path(entry.path), name + "/", ignore)


def _packed_one(path: Path, name: str, done: Packed) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    found = path.lstat()
    info.mode, info.mtime = stat.S_IMODE(found.st_mode) & 0o777, int(found.st_mtime)
    if stat.S_ISDIR(found.st_mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(found.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
    if info.type != tarfile.REGTYPE:
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        return
    with path.open("rb") as file:
        info.size = left = os.fstat(file.fileno()).st_size
        yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
        while left and (piece := file.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            done.size += len(piece)
            yield piece
    if left:
        raise Conflict(f"{str(path)!r} became shorter while it was read", hint="copy it again")
    yield bytes(-info.size % BLOCK)


async def unpack(stream: AsyncIterable[bytes], target: Path, progress: ProgressSink) -> Packed:
    """Unpack a tar in a folder of this machine that is not there yet: it appears whole or not at all.

    The container is not trusted: what would leave the folder, or is no file, folder or link, is refused.

    Raises:
        Conflict: Something has the folder's name.
        ArchiveRefused: The archive is not taken.
    """
    parent = await asyncio.to_thread(target.parent.resolve)
    staging = Path(
        await asyncio.to_thread(tempfile.mkdtemp, prefix=f".{target.name[:100]}.", suffix=".part", dir=parent)
    )
    done = Packed()
    try:
        guard = Guard(
            max_entries=ENTRIES_MAX, name_max_bytes=NAME_MAX, path_max_bytes=PATH_MAX, set_id=SetId.DROP
        )
        folders: dict[Path, tuple[int, Entry]] = {}
        async for entry in tar_entries(
            Source(unpacked(ArchiveFormat.TAR, stream, Budget(BYTES_MAX, ENTRIES_MAX)))
        ):
            taken = guard.take(entry)
            done.entries += 1
            await _unpacked_one(staging, taken, folders, done)
            await progress(done.size, None, f"{done.entries} entries")
        await asyncio.to_thread(_dress, folders)
        await asyncio.to_thread(_appear, staging, target)
    except BaseException:  # a cancellation too: nothing half-unpacked is left
        await asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True)
        raise
    return done


def _appear(staging: Path, target: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    staging.chmod(0o777 & ~mask)
    try:
        staging.rename(target)  # onto an empty folder it succeeds, too
    except OSError as error:
        raise Conflict(
            f"{str(target)!r} is there already", hint="name a target that is not there yet"
        ) from error


async def _unpacked_one(
    staging: Path, taken: Taken, folders: dict[Path, tuple[int, Entry]], done: Packed
) -> None:
    entry = taken.entry
    path = staging / os.fsdecode(taken.path)
    for folder in taken.missing:
        await asyncio.to_thread((staging / os.fsdecode(folder)).mkdir, USABLE, exist_ok=True)
    if entry.type is EntryType.FOLDER:
        await asyncio.to_thread(path.mkdir, USABLE, exist_ok=True)
        if taken.path:
            folders[path] = (taken.mode, entry)
    elif entry.type is EntryType.LINK:
        await asyncio.to_thread(path.symlink_to, os.fsdecode(entry.target))
    elif entry.type is EntryType.HARD_LINK:
        await asyncio.to_thread(path.hardlink_to, staging / os.fsdecode(taken.twin))
    else:
        await _file(path, taken, done)


async def _file(path: Path, taken: Taken, done: Packed) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = await asyncio.to_thread(os.open, path, flags, 0o600)
    try:
        if taken.entry.content is not None:
            async for piece in taken.entry.content:
                await asyncio.to_thread(_write_all, descriptor, piece)
                done.size += len(piece)
        os.fchmod(descriptor, taken.mode)
        if taken.entry.mtime_ns is not None:
            os.utime(descriptor, ns=(taken.entry.mtime_ns, taken.entry.mtime_ns))
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _dress(folders: dict[Path, tuple[int, Entry]]) -> None:
    for path in sorted(folders, reverse=True):
        mode, entry = folders[path]
        if entry.mtime_ns is not None:
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
        path.chmod(mode)
