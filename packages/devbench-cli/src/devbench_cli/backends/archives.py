"""Archives of a backend: streamed through the core of this process, or through links of a remote host."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence

from devbench_cli.backends.linking import link_to, no_links
from devbench_cli.backends.local import CALLER, LocalBackend
from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.backends.remote import RemoteBackend
from devbench_cli.backends.whole import whole
from devbench_cli.places import InContainer
from devbench_core.model.archive import ArchiveFormat
from devbench_core.tools.base import BASE64_MAX_BYTES
from devbench_core.tools.fs_batch import FsExportOutput, FsImportOutput


async def import_archive(
    backend: Backend,
    place: InContainer,
    stream: AsyncIterable[bytes],
    format_: ArchiveFormat,
    *,
    overwrite: bool = True,
) -> FsImportOutput:
    """Unpack an archive in a container.

    Raises:
        TooLarge: It fits no message, and the host gives no links.
    """
    if isinstance(backend, LocalBackend):
        report = await backend.bench.files.import_archive(
            place.container, place.path, stream, format=format_, overwrite=overwrite, caller=CALLER
        )
        return FsImportOutput.of(report)
    pieces = aiter(stream)
    head, is_all = await first_of(pieces, BASE64_MAX_BYTES)
    if is_all:
        return await ask(
            backend,
            FsImportOutput,
            "fs_import",
            container=place.container,
            path=place.argument,
            base64=b64encode(head).decode("ascii"),
            format=format_.value,
            overwrite=overwrite,
        )
    link = await link_to(backend, place, "import", format=format_.value, overwrite=overwrite)
    if link is None or not isinstance(backend, RemoteBackend):
        raise no_links("the archive")
    return FsImportOutput.model_validate(await backend.links.send(link, joined(head, pieces)))


async def export_archive(
    backend: Backend, place: InContainer, format_: ArchiveFormat, ignore: Sequence[str]
) -> AsyncGenerator[bytes]:
    """Give a folder or file of a container as an archive.

    Raises:
        TooLarge: It fits no message, and the host gives no links.
        HostUnreachable: What came is only a part, which is told at its end.
    """
    if isinstance(backend, LocalBackend):
        stream = backend.bench.files.export_archive(
            place.container, place.path, format=format_, ignore=ignore, caller=CALLER
        )
        async for piece in stream:
            yield piece
        return
    patterns = [pattern for pattern in ignore if pattern.strip() and not pattern.startswith("#")]
    link = await link_to(backend, place, "export", format=format_.value, ignore=patterns)
    if link is not None and isinstance(backend, RemoteBackend):
        async with backend.links.reading(link) as arriving:
            async for piece in whole(format_, arriving.pieces):
                yield piece
        return
    given = await ask(
        backend,
        FsExportOutput,
        "fs_export",
        container=place.container,
        path=place.argument,
        format=format_.value,
        ignore=patterns,
    )
    yield b64decode(given.base64 or "")


async def first_of(pieces: AsyncIterator[bytes], most: int) -> tuple[bytes, bool]:
    """Return the beginning of a stream, and whether that is all of it: if not, it is a little more than ``most``."""
    head = bytearray()
    async for piece in pieces:
        head += piece
        if len(head) > most:
            return bytes(head), False
    return bytes(head), True


async def joined(head: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Give the beginning of a stream, then the rest of it."""
    yield head
    async for piece in rest:
        yield piece
