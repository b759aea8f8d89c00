"""Moves one file between this machine and a container."""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.descriptors import STDOUT, all_input, write
from devbench_cli.places import STANDARD, InContainer
from devbench_core.errors import Conflict, DevbenchError, FileMissing, NotFound, TooLarge, ValidationFailed
from devbench_core.tool import ProgressSink
from devbench_core.tools.base import BASE64_MAX_BYTES
from devbench_core.tools.files import FsReadOutput, FsStatOutput, FsWriteOutput
from devbench_core.tools.views import FileView

PERMISSION_BITS = 0o777


async def pages(backend: Backend, place: InContainer) -> AsyncIterator[tuple[FileView, bytes]]:
    """Read a file of a container piece by piece; an empty one gives one empty piece.

    Raises:
        Conflict: It changed while it was read.
    """
    offset: int | None = 0
    etag = ""
    while offset is not None:
        page = await ask(
            backend,
            FsReadOutput,
            "fs_read",
            container=place.container,
            path=place.path,
            offset=offset,
            max_bytes=BASE64_MAX_BYTES,
            encoding="base64",
        )
        if etag and page.file.etag != etag:
            raise Conflict(f"{str(place)!r} changed while it was read", hint="copy it again")
        etag, offset = page.file.etag, page.next_offset
        yield page.file, b64decode(page.base64 or "")


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
    async for info, data in pages(backend, source):
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
            async for info, data in pages(backend, source):
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
        ValidationFailed: The source is no regular file.
        TooLarge: It is larger than one write may be.
    """
    data, mode = await _content(source, backend.upload_max_bytes)
    path = target.path
    if source != STANDARD:
        path = await target_path(backend, source, target.container, target.path)
    await progress(0, len(data), "")
    written = await ask(
        backend,
        FsWriteOutput,
        "fs_write",
        container=target.container,
        path=path,
        base64=b64encode(data).decode("ascii"),
        mode=mode,
        parents=True,
    )
    await progress(len(data), len(data), "")
    return written.file


async def _content(source: str, max_bytes: int) -> tuple[bytes, str | None]:
    if source == STANDARD:
        return await all_input(max_bytes), None
    return await asyncio.to_thread(_file_content, Path(source), max_bytes)


def _file_content(path: Path, max_bytes: int) -> tuple[bytes, str]:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(max_bytes + 1)
    except IsADirectoryError as error:
        raise ValidationFailed(
            "SOURCE",
            f"{str(path)!r} is a folder; single files only",
            hint="pack it with tar, copy, unpack it",
        ) from error
    except OSError as error:
        raise ValidationFailed("SOURCE", f"{str(path)!r} cannot be read: {error.strerror}") from error
    if len(data) > max_bytes:
        raise TooLarge(
            f"{str(path)!r} is larger than {max_bytes} bytes",
            hint="files.write_max_bytes is the limit of this machine's core; a remote host takes less",
            details={"limit": max_bytes},
        )
    return data, f"{stat.S_IMODE(found.st_mode) & PERMISSION_BITS:03o}"


async def target_path(backend: Backend, source: str, container: str, path: str) -> str:
    """Return where something goes: into a folder under the source's name, else the path itself."""
    within = str(PurePosixPath(path) / PurePosixPath(source).name)
    if path.endswith("/") or path == ".":
        return within
    try:
        found = await ask(backend, FsStatOutput, "fs_stat", container=container, path=path)
    except DevbenchError as error:
        if error.code not in {NotFound.code, FileMissing.code}:
            raise
        return path
    return within if found.file.type == "directory" else path
