"""Copies whole folders, and archives as files, between this machine and a container."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from devbench_cli.backends.archives import export_archive, import_archive
from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.descriptors import READ_BYTES, STDIN, STDOUT, write
from devbench_cli.packing import Packed, packed, unpack
from devbench_cli.places import STANDARD, InContainer
from devbench_core.errors import DevbenchError, ValidationFailed
from devbench_core.files.ignoring import Ignore
from devbench_core.model.archive import ArchiveFormat
from devbench_core.tool import ProgressSink
from devbench_core.tools.files import FsStatOutput
from devbench_core.tools.fs_batch import FsImportOutput

ENDINGS = {
    ".tar": ArchiveFormat.TAR,
    ".tar.gz": ArchiveFormat.TAR_GZ,
    ".tgz": ArchiveFormat.TAR_GZ,
    ".tar.zst": ArchiveFormat.TAR_ZST,
    ".zip": ArchiveFormat.ZIP,
}


def format_of(name: str, wanted: str | None) -> ArchiveFormat:
    """Return the format that was asked for, else that of a file's name.

    Raises:
        ValidationFailed: It is none, or the name does not say.
    """
    if wanted is not None:
        try:
            return ArchiveFormat(wanted)
        except ValueError as error:
            known = ", ".join(ArchiveFormat)
            raise ValidationFailed("--format", f"{wanted!r} is none of {known}") from error
    for ending, found in ENDINGS.items():
        if name.endswith(ending):
            return found
    raise ValidationFailed("--format", f"{name!r} does not say which format it has", hint="give --format")


async def copy_in(
    backend: Backend, source: Path, target: InContainer, ignore: Sequence[str], progress: ProgressSink
) -> FsImportOutput:
    """Copy a folder of this machine into a container: all of it or nothing. A folder there gets it under its name."""
    if not await asyncio.to_thread(source.is_dir):
        raise ValidationFailed("SOURCE", f"{str(source)!r} is no folder", hint="leave out -r")
    name = (await asyncio.to_thread(source.resolve)).name
    place = InContainer(target.container, await _within(backend, target, name))
    pieces = packed(source, Ignore(ignore, "--ignore"), progress, Packed())
    return await import_archive(backend, place, pieces, ArchiveFormat.TAR)


async def copy_out(
    backend: Backend, source: InContainer, target: Path, ignore: Sequence[str], progress: ProgressSink
) -> Packed:
    """Copy a folder of a container to this machine: it appears whole or not at all."""
    if await asyncio.to_thread(target.is_dir):
        name = PurePosixPath(source.path).name
        if not name or name == "..":
            raise ValidationFailed("TARGET", f"{str(target)!r} is there already", hint="name the new folder")
        target /= name
    found = await ask(backend, FsStatOutput, "fs_stat", container=source.container, path=source.argument)
    if found.file.type != "directory":
        raise ValidationFailed("SOURCE", f"{str(source)!r} is no folder", hint="leave out -r")
    async with aclosing(export_archive(backend, source, ArchiveFormat.TAR, ignore)) as stream:
        return await unpack(stream, target, progress)


async def _within(backend: Backend, target: InContainer, name: str) -> str:
    """Return where a folder goes: into one that is there, under its name, else to the path itself."""
    within = str(PurePosixPath(target.path) / name)
    if target.path.endswith("/") or target.path == ".":
        return within
    try:
        found = await ask(backend, FsStatOutput, "fs_stat", container=target.container, path=target.argument)
    except DevbenchError as error:
        if error.code == "file_not_found":
            return target.path
        raise
    return within if found.file.type == "directory" else target.path


async def read_pieces(source: str, progress: ProgressSink) -> AsyncIterator[bytes]:
    """Give a file of this machine, or stdin, in pieces."""
    file: BinaryIO
    try:
        file = await asyncio.to_thread(_opened, source)
    except OSError as error:
        raise ValidationFailed("SOURCE", f"{source!r} cannot be read: {error.strerror}") from error
    done = 0
    try:
        while piece := await asyncio.to_thread(file.read, 4 * READ_BYTES):
            done += len(piece)
            await progress(done, None, "")
            yield piece
    finally:
        await asyncio.to_thread(file.close)


def _opened(source: str) -> BinaryIO:
    return open(STDIN, "rb", closefd=False) if source == STANDARD else Path(source).open("rb")


async def write_pieces(stream: AsyncIterator[bytes], target: str, progress: ProgressSink) -> int:
    """Write an archive to stdout or to a file, which appears under its name only when it is complete."""
    done = 0
    if target == STANDARD:
        async for piece in stream:
            await write(STDOUT, piece)
            done += len(piece)
            await progress(done, None, "")
        return done
    path = Path(target)
    part = path.with_name(f".{path.name[:100]}.part")
    file = await asyncio.to_thread(part.open, "wb")
    try:
        async for piece in stream:
            await asyncio.to_thread(file.write, piece)
            done += len(piece)
            await progress(done, None, "")
        await asyncio.to_thread(file.close)
        await asyncio.to_thread(part.replace, path)
    except BaseException:  # a cancellation too: nothing half-written is left
        with suppress(OSError):
            part.unlink()  # blocks: one unlink while leaving
        raise
    finally:
        file.close()
    return done
