"""An editor of this machine on a file of a container."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
from base64 import b64encode
from contextlib import suppress
from pathlib import Path, PurePosixPath

from devbench_cli.backends.contents import pages
from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.places import InContainer
from devbench_core.errors import DevbenchError, FileMissing, TooLarge, ValidationFailed
from devbench_core.tools.file_views import FileView
from devbench_core.tools.files import FsWriteOutput

FALLBACK = "vi"
NAME_MAX = 100


async def edited(backend: Backend, place: InContainer) -> FileView | None:
    """Let the user edit a file; return what was written, None when nothing was changed.

    The user's text is in a temporary file, which is removed once it is written back or not needed, and else kept.

    Raises:
        ValidationFailed: There is no editor, or it failed.
        DevbenchError: It could not be written; the hint names the file that keeps the edit.
    """
    before = await _content(backend, place)
    old = before[0] if before else b""
    file = await asyncio.to_thread(_temporary, place, old)
    try:
        await _run_editor(file)
        after = await asyncio.to_thread(_saved, file)
    except ValidationFailed:
        await asyncio.to_thread(_removed, file)  # the editor said that nothing is to be written
        raise
    except BaseException:  # a cancellation too: nobody loses what they typed
        sys.stderr.write(f"what you saved is kept in {file}\n")
        raise
    written = None
    if after != old:
        written = await _written(backend, place, file, after, etag=None if before is None else before[1])
    await asyncio.to_thread(_removed, file)
    return written


def _saved(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ValidationFailed(
            "EDITOR", f"left nothing to read: {error}", hint="nothing was written"
        ) from error


async def _content(backend: Backend, place: InContainer) -> tuple[bytes, str] | None:
    """Return content and etag, None when there is no such file yet."""
    pieces: list[bytes] = []
    etag, size = "", 0
    try:
        async for info, data in pages(backend, place):
            etag = info.etag
            size += len(data)
            if info.size_bytes > backend.upload_max_bytes or size > backend.upload_max_bytes:
                raise TooLarge(
                    f"{str(place)!r} is larger than {backend.upload_max_bytes} bytes",
                    hint="it could not be written back; edit it by a command in the container",
                    details={"limit": backend.upload_max_bytes},
                )
            pieces.append(data)
    except DevbenchError as error:
        if error.code != FileMissing.code:
            raise
        return None
    return b"".join(pieces), etag


def _temporary(place: InContainer, data: bytes) -> Path:
    """Make a file in a folder of its own, under the same name, so that editors know its kind."""
    folder = Path(tempfile.mkdtemp(prefix="devbench-edit-"))
    file = folder / (PurePosixPath(place.path).name[-NAME_MAX:] or "file")
    file.write_bytes(data)
    return file


def _removed(file: Path) -> None:
    for left in file.parent.iterdir():  # also what an editor keeps beside it
        with suppress(OSError):
            left.unlink()
    with suppress(OSError):
        file.parent.rmdir()


async def _run_editor(file: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or FALLBACK
    try:
        words = shlex.split(editor)
        process = await asyncio.create_subprocess_exec(*words, str(file))
    except (OSError, ValueError, TypeError) as error:
        raise ValidationFailed(
            "EDITOR", f"{editor!r} cannot be started: {error}", hint="set EDITOR to a program that is there"
        ) from error
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
    if code != 0:
        raise ValidationFailed("EDITOR", f"{editor!r} ended with {code}", hint="nothing was written")


async def _written(
    backend: Backend, place: InContainer, file: Path, data: bytes, *, etag: str | None
) -> FileView:
    try:
        written = await ask(
            backend,
            FsWriteOutput,
            "fs_write",
            container=place.container,
            path=place.argument,
            base64=b64encode(data).decode("ascii"),
            if_match=etag,
            create_only=etag is None,
        )
    except DevbenchError as error:
        error.hint = f"your edit is kept in {file}" + (f"; {error.hint}" if error.hint else "")
        error.details["kept"] = str(file)
        raise
    return written.file
