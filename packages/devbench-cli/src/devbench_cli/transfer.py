"""Moves one file between this machine and a container."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from devbench_cli.backends.contents import pages
from devbench_cli.backends.outgoing import Outgoing
from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.backends.uploads import write_file
from devbench_cli.descriptors import PIECE_BYTES, STDOUT, input_pieces, write
from devbench_cli.places import STANDARD, InContainer
from devbench_core.errors import Conflict, DevbenchError, FileMissing, NotFound, ValidationFailed
from devbench_core.tool import ProgressSink
from devbench_core.tools.file_views import FileView
from devbench_core.tools.files import FsStatOutput
from devbench_core.tools.path_text import shown

PERMISSION_BITS = 0o777


async def download(backend: Backend, source: InContainer, target: str, progress: ProgressSink) -> int:
    """Copy a file of a container to a path of this machine, or to stdout; return its size in bytes.

    A file appears under its name only when it is complete.
    """
    if target == STANDARD:
        return await _to_descriptor(backend, source, STDOUT, progress)
    path = Path(target)
    if await asyncio.to_thread(path.is_dir):
        path /= PurePosixPath(source.path).name
    if await asyncio.to_thread(_is_special, path):
        return await _to_special(backend, source, path, progress)
    return await _to_file(backend, source, path, progress)


def _is_special(path: Path) -> bool:
    """Tell whether something is there that must be written to, not replaced: a device or a pipe."""
    return path.exists() and not path.is_file()


async def _to_special(backend: Backend, source: InContainer, path: Path, progress: ProgressSink) -> int:
    descriptor = await asyncio.to_thread(os.open, path, os.O_WRONLY)
    try:
        return await _to_descriptor(backend, source, descriptor, progress)
    finally:
        os.close(descriptor)


async def _to_descriptor(
    backend: Backend, source: InContainer, descriptor: int, progress: ProgressSink
) -> int:
    done = 0
    async with aclosing(pages(backend, source)) as found:
        async for info, data in found:
            await write(descriptor, data)
            done += len(data)
            await progress(done, info.size_bytes, "")
    return done


async def _to_file(backend: Backend, source: InContainer, path: Path, progress: ProgressSink) -> int:
    path = await asyncio.to_thread(path.resolve)  # what a link points to is replaced, not the link
    descriptor, name = await asyncio.to_thread(
        tempfile.mkstemp, prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent
    )
    try:
        try:
            done = 0
            async with aclosing(pages(backend, source)) as found:
                async for info, data in found:
                    await write(descriptor, data)
                    done += len(data)
                    await progress(done, info.size_bytes, "")
                    os.fchmod(descriptor, int(info.mode, 8) & PERMISSION_BITS)
        finally:
            os.close(descriptor)
        await asyncio.to_thread(os.replace, name, path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()  # noqa: ASYNC240 - one unlink while leaving; a thread could be cancelled
        raise
    return done


async def upload(backend: Backend, source: str, target: InContainer, progress: ProgressSink) -> FileView:
    """Copy a file of this machine, or stdin, into a container; the write is atomic there.

    Raises:
        ValidationFailed: The source cannot be read.
        Conflict: It changed while it was read; then nothing was changed in the container.
        TooLarge: It is larger than one write may be.
    """
    if source == STANDARD:
        async with aclosing(input_pieces(progress)) as pieces:
            return await write_file(backend, target.container, target.argument, Outgoing.once(pieces), None)
    path = await target_path(backend, source, target)
    file, found = await asyncio.to_thread(_opened, Path(source))
    mode = f"{stat.S_IMODE(found.st_mode) & PERMISSION_BITS:03o}"
    try:
        content = Outgoing(
            read=lambda: _content(file, source, found, progress), again=stat.S_ISREG(found.st_mode)
        )
        return await write_file(backend, target.container, path, content, mode)
    finally:
        await asyncio.to_thread(file.close)


def _opened(path: Path) -> tuple[BinaryIO, os.stat_result]:
    try:
        file = path.open("rb", buffering=0)
        return file, os.fstat(file.fileno())
    except IsADirectoryError as error:
        raise ValidationFailed("SOURCE", f"{str(path)!r} is a folder", hint="copy it with -r") from error
    except OSError as error:
        raise _unreadable(str(path), error) from error


async def _content(
    file: BinaryIO, source: str, found: os.stat_result, progress: ProgressSink
) -> AsyncGenerator[bytes]:
    total = found.st_size if stat.S_ISREG(found.st_mode) else None
    done = 0
    try:
        if total is not None:
            file.seek(0)
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            done += len(piece)
            yield piece
            await progress(done, total, "")
        now = os.fstat(file.fileno())
    except OSError as error:
        raise _unreadable(source, error) from error
    if total is not None and (done != total or now.st_mtime_ns != found.st_mtime_ns):
        raise Conflict(
            f"{source!r} changed while it was read", hint="copy it again; nothing was changed there"
        )


def _unreadable(source: str, error: OSError) -> ValidationFailed:
    return ValidationFailed("SOURCE", f"{source!r} cannot be read: {error.strerror}")


async def target_path(backend: Backend, source: str, target: InContainer) -> str:
    """Return where something goes, as tools take it: into a folder under the source's name, else the path itself."""
    within = shown(PurePosixPath(target.path) / PurePosixPath(source).name)
    if target.path.endswith("/") or target.path == ".":
        return within
    try:
        found = await ask(backend, FsStatOutput, "fs_stat", container=target.container, path=target.argument)
    except DevbenchError as error:
        if error.code not in {NotFound.code, FileMissing.code}:
            raise
        return target.argument
    return within if found.file.type == "directory" else target.argument
