"""Copies whole folders, and archives as files, between this machine and a container."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from pathlib import Path, PurePosixPath

from devbench_cli.backends.archives import export_archive, import_archive, repeated
from devbench_cli.backends.outgoing import Outgoing
from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.descriptors import PIECE_BYTES, STDOUT, input_pieces, write
from devbench_cli.packing import Packed, packed, unpack
from devbench_cli.places import STANDARD, InContainer
from devbench_core.errors import DevbenchError, ValidationFailed
from devbench_core.files.ignoring import Ignore
from devbench_core.model.archive import ArchiveFormat
from devbench_core.tool import ProgressSink
from devbench_core.tools.files import FsStatOutput
from devbench_core.tools.fs_batch import FsImportOutput

NEW_MODE = 0o666
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
    content = Outgoing(
        read=lambda: packed(source, Ignore(ignore, "--ignore"), progress, Packed()), again=True
    )
    return await import_archive(backend, place, content, ArchiveFormat.TAR)


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

    async def once() -> Packed:
        async with aclosing(export_archive(backend, source, ArchiveFormat.TAR, ignore)) as stream:
            return await unpack(stream, target, progress)

    return await repeated(backend, once, from_start=True)


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


async def read_pieces(source: str, progress: ProgressSink) -> AsyncGenerator[bytes]:
    """Give a file of this machine, or stdin, in pieces."""
    if source == STANDARD:
        async with aclosing(input_pieces(progress)) as pieces:
            async for piece in pieces:
                yield piece
        return
    try:
        file = await asyncio.to_thread(Path(source).open, "rb", 0)
    except OSError as error:
        raise ValidationFailed("SOURCE", f"{source!r} cannot be read: {error.strerror}") from error
    done, total = 0, (await asyncio.to_thread(os.fstat, file.fileno())).st_size
    try:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            done += len(piece)
            yield piece
            await progress(done, total, "")
    finally:
        await asyncio.to_thread(file.close)


async def write_pieces(
    stream: AsyncIterator[bytes], target: str, progress: ProgressSink, *, private: bool = False
) -> int:
    """Write an archive to stdout or to a file, which appears under its name only when it is complete.

    Args:
        stream: The archive.
        target: A path, or ``-``.
        progress: Told how far it is.
        private: Whether nobody else may read the file, which is then on the disk when it appears, too.
    """
    done = 0
    if target == STANDARD:
        async for piece in stream:
            await write(STDOUT, piece)
            done += len(piece)
            await progress(done, None, "")
        return done
    path = Path(target)
    descriptor, part = await asyncio.to_thread(_part_of, path, private=private)
    try:
        try:
            async for piece in stream:
                await _write(descriptor, piece, path)
                done += len(piece)
                await progress(done, None, "")
            if private:
                await asyncio.to_thread(os.fsync, descriptor)
        finally:
            os.close(descriptor)
        await asyncio.to_thread(os.replace, part, path)
    except BaseException:  # a cancellation too: nothing half-written is left
        with suppress(OSError):
            Path(part).unlink()  # noqa: ASYNC240 - one unlink while leaving; a thread could be cancelled
        raise
    return done


async def _write(descriptor: int, piece: bytes, path: Path) -> None:
    try:
        await write(descriptor, piece)
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> ValidationFailed:
    return ValidationFailed("target", f"{str(path)!r} cannot be written: {error.strerror}")


def _part_of(path: Path, *, private: bool) -> tuple[int, str]:
    """Make a file beside another, under a name of its own: two exports to one name do not write into each other."""
    try:
        descriptor, part = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _not_written(path, error) from error
    if private:
        return descriptor, part
    mask = os.umask(0)
    os.umask(mask)
    os.fchmod(descriptor, NEW_MODE & ~mask)
    return descriptor, part
