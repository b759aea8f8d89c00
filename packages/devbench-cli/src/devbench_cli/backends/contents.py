"""Single files of a backend, of any size and in constant memory."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing

from devbench_cli.backends.archives import first_of, joined
from devbench_cli.backends.linking import link_to, no_links
from devbench_cli.backends.local import CALLER, LocalBackend
from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.backends.remote import RemoteBackend
from devbench_cli.places import InContainer
from devbench_core.errors import Conflict, DevbenchError
from devbench_core.tools.base import BASE64_MAX_BYTES
from devbench_core.tools.file_views import FileView
from devbench_core.tools.files import FsReadOutput, FsStatOutput, FsWriteOutput
from devbench_core.tools.path_text import given


async def pages(backend: Backend, place: InContainer) -> AsyncGenerator[tuple[FileView, bytes]]:
    """Read a file of a container piece by piece; an empty one gives one empty piece.

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
    link = await link_to(backend, place, "download")
    if link is None or not isinstance(backend, RemoteBackend):
        async with aclosing(_parts(backend, place, file, offset)) as parts:
            async for piece in parts:
                yield piece
        return
    wanted = {"Range": f"bytes={offset}-", "If-Range": f'"{file.etag}"'}
    try:
        async with backend.links.reading(link, wanted) as arriving:
            if not arriving.is_part:
                raise _changed(place)
            async for piece in arriving.pieces:
                yield piece
    except DevbenchError as error:
        if error.code == "host_unreachable" and await _has_changed(backend, place, file):
            raise _changed(place) from error  # the host then ends it early, short of its length
        raise


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


async def write_file(
    backend: Backend, container: str, path: str, stream: AsyncIterable[bytes], mode: str | None
) -> FileView:
    """Write a whole file from a stream: it appears at its end, or nothing was changed.

    Args:
        backend: Where.
        container: Which one.
        path: As tools take it; missing folders are made.
        stream: The content.
        mode: Permission bits in octal; None keeps them.

    Raises:
        TooLarge: It is over the limit of the host, or fits no message and the host gives no links.
    """
    if isinstance(backend, LocalBackend):
        number = None if mode is None else int(mode, 8)
        written = await backend.bench.files.write_stream(
            container, given(path), stream, mode=number, parents=True, caller=CALLER
        )
        return FileView.of(written.info)
    pieces = aiter(stream)
    head, is_all = await first_of(pieces, BASE64_MAX_BYTES)
    if is_all:
        content = b64encode(head).decode("ascii")
        answer = await ask(
            backend,
            FsWriteOutput,
            "fs_write",
            container=container,
            path=path,
            base64=content,
            mode=mode,
            parents=True,
        )
        return answer.file
    link = await link_to(backend, InContainer(container, path), "upload", path=path, mode=mode)
    if link is None or not isinstance(backend, RemoteBackend):
        raise no_links("the content")
    return FileView.model_validate((await backend.links.send(link, joined(head, pieces)))["file"])
