"""Archives of a backend: streamed through the core of this process, or in one message to a remote host."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, AsyncIterable, Sequence

from devbench_cli.backends.local import CALLER, LocalBackend
from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.places import InContainer
from devbench_core.errors import TooLarge
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
        TooLarge: A remote host takes no more than one message.
    """
    if isinstance(backend, LocalBackend):
        report = await backend.bench.files.import_archive(
            place.container, place.path, stream, format=format_, overwrite=overwrite, caller=CALLER
        )
        return FsImportOutput(
            entries=report.entries,
            files=report.files,
            folders=report.folders,
            links=report.links,
            size_bytes=report.size_bytes,
        )
    data = bytearray()
    async for piece in stream:
        data += piece
        if len(data) > BASE64_MAX_BYTES:
            raise TooLarge(
                f"the archive is over {BASE64_MAX_BYTES} bytes, which one message to a remote host holds",
                hint="copy it in parts, or run this on the host, without --url",
                details={"limit": BASE64_MAX_BYTES},
            )
    return await ask(
        backend,
        FsImportOutput,
        "fs_import",
        container=place.container,
        path=place.path,
        base64=b64encode(data).decode("ascii"),
        format=format_.value,
        overwrite=overwrite,
    )


async def export_archive(
    backend: Backend, place: InContainer, format_: ArchiveFormat, ignore: Sequence[str]
) -> AsyncGenerator[bytes]:
    """Give a folder or file of a container as an archive.

    Raises:
        TooLarge: A remote host gives no more than one message.
    """
    if isinstance(backend, LocalBackend):
        stream = backend.bench.files.export_archive(
            place.container, place.path, format=format_, ignore=ignore, caller=CALLER
        )
        async for piece in stream:
            yield piece
        return
    given = await ask(
        backend,
        FsExportOutput,
        "fs_export",
        container=place.container,
        path=place.path,
        format=format_.value,
        ignore=list(ignore),
    )
    yield b64decode(given.base64)
