"""Single files of a backend, of any size and in constant memory."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import aclosing

from devbench_cli.backends.link_failures import CutOff
from devbench_cli.backends.linking import link_to
from devbench_cli.backends.local import CALLER, LocalBackend
from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.backends.remote import RemoteBackend
from devbench_cli.places import InContainer
from devbench_core.errors import Conflict, DevbenchError
from devbench_core.tools.base import BASE64_MAX_BYTES
from devbench_core.tools.file_views import FileView
from devbench_core.tools.files import FsReadOutput, FsStatOutput


async def pages(backend: Backend, place: InContainer) -> AsyncGenerator[tuple[FileView, bytes]]:
    """Read a file of a container piece by piece; an empty one gives one empty piece.

    When the connection to a host is lost, it goes on where it was, while the file is the same.

    Raises:
        Conflict: It changed while it was read.
        HostUnreachable: The connection to a host was lost; what came is only a part.
    """
    page = await _page(backend, place, 0)
    yield page.file, b64decode(page.base64 or "")
    if page.next_offset is None:
        return
    if isinstance(backend, LocalBackend):
        rest = _rest_here(backend, place, page.file, page.next_offset)
    else:
        rest = _rest_there(backend, place, page.file, page.next_offset)
    async with aclosing(rest):
        async for piece in rest:
            yield page.file, piece


async def _page(backend: Backend, place: InContainer, offset: int) -> FsReadOutput:
    return await ask(
        backend,
        FsReadOutput,
        "fs_read",
        container=place.container,
        path=place.argument,
        offset=offset,
        max_bytes=BASE64_MAX_BYTES,
        encoding="base64",
    )


async def _rest_here(
    backend: LocalBackend, place: InContainer, file: FileView, offset: int
) -> AsyncGenerator[bytes]:
    files = backend.bench.files
    async with files.read_stream(place.container, place.path, offset=offset, caller=CALLER) as stream:
        if stream.info.etag != file.etag:
            raise _changed(place)
        async for piece in stream:
            yield piece


async def _rest_there(
    backend: Backend, place: InContainer, file: FileView, offset: int
) -> AsyncGenerator[bytes]:
    outage = None
    while offset < file.size_bytes:
        try:
            async with aclosing(_linked(backend, place, file, offset)) as rest:
                async for piece in rest:
                    offset += len(piece)
                    yield piece
        except CutOff as error:
            if await _has_changed(backend, place, file):
                raise _changed(place) from error  # the host then ends it early, short of its length
            if not isinstance(backend, RemoteBackend):
                raise
            outage = outage or backend.outage()
            if not await backend.again(outage, error.size):
                raise


async def _linked(backend: Backend, place: InContainer, file: FileView, offset: int) -> AsyncGenerator[bytes]:
    """Give the rest over one connection, or in parts where the host gives no links."""
    link = await link_to(backend, place, "download")
    if link is None or not isinstance(backend, RemoteBackend):
        async with aclosing(_parts(backend, place, file, offset)) as parts:
            async for piece in parts:
                yield piece
        return
    wanted = {"Range": f"bytes={offset}-", "If-Range": f'"{file.etag}"'}
    async with backend.links.reading(link, wanted) as arriving:
        if not arriving.is_part:
            raise _changed(place)
        async for piece in arriving.pieces:
            yield piece


async def _parts(
    backend: Backend, place: InContainer, file: FileView, offset: int | None
) -> AsyncGenerator[bytes]:
    while offset is not None:
        page = await _page(backend, place, offset)
        if page.file.etag != file.etag:
            raise _changed(place)
        yield b64decode(page.base64 or "")
        offset = page.next_offset


async def _has_changed(backend: Backend, place: InContainer, file: FileView) -> bool:
    try:
        found = await ask(backend, FsStatOutput, "fs_stat", container=place.container, path=place.argument)
    except DevbenchError as error:
        return error.code == "file_not_found"
    return found.file.type == "file" and found.file.etag != file.etag


def _changed(place: InContainer) -> Conflict:
    return Conflict(f"{str(place)!r} changed while it was read", hint="copy it again")
