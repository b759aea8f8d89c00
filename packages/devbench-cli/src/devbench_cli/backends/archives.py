"""Archives of a backend: streamed through the core of this process, or through links of a remote host."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from devbench_cli.backends.link_failures import CutOff
from devbench_cli.backends.linking import link_to
from devbench_cli.backends.local import CALLER, LocalBackend
from devbench_cli.backends.outgoing import Outgoing, Sending
from devbench_cli.backends.protocol import Backend, ask
from devbench_cli.backends.remote import RemoteBackend
from devbench_cli.backends.whole import whole
from devbench_cli.places import InContainer
from devbench_core.model.archive import ArchiveFormat
from devbench_core.tools.base import BASE64_MAX_BYTES
from devbench_core.tools.fs_batch import FsExportOutput, FsImportOutput

T = TypeVar("T")


async def import_archive(
    backend: Backend,
    place: InContainer,
    content: Outgoing,
    format_: ArchiveFormat,
    *,
    overwrite: bool = True,
) -> FsImportOutput:
    """Unpack an archive in a container.

    One that is too large for a message is sent again when the connection was lost before all of it was sent.

    Raises:
        OutcomeUnknown: All was sent, and no answer came.
        TooLarge: It fits no message, and the host gives no links.
    """
    if isinstance(backend, LocalBackend):
        async with aclosing(content.read()) as stream:
            report = await backend.bench.files.import_archive(
                place.container, place.path, stream, format=format_, overwrite=overwrite, caller=CALLER
            )
        return FsImportOutput.of(report)
    pieces = content.read()
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
    sending = Sending(backend=backend, content=content, pieces=joined(head, pieces), what="the archive")
    answer = await sending.run(
        lambda: link_to(backend, place, "import", format=format_.value, overwrite=overwrite)
    )
    return FsImportOutput.model_validate(answer)


async def export_archive(
    backend: Backend, place: InContainer, format_: ArchiveFormat, ignore: Sequence[str]
) -> AsyncGenerator[bytes]:
    """Give a folder or file of a container as an archive.

    Raises:
        TooLarge: It fits no message, and the host gives no links.
        CutOff: The connection was lost and what came is only a part; it cannot go on, but begin again (`repeated`).
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


async def repeated(backend: Backend, once: Callable[[], Awaitable[T]], *, from_start: bool) -> T:
    """Do what an archive is fetched for, and do it again when the connection was lost in the middle.

    Args:
        backend: Where it comes from.
        once: Does it, and leaves nothing when it fails.
        from_start: Whether that is so; else only what gave nothing yet is done again.

    Raises:
        CutOff: The connection was lost, and patience is at its end.
    """
    outage = None
    while True:
        try:
            return await once()
        except CutOff as error:
            if not isinstance(backend, RemoteBackend) or (error.size and not from_start):
                raise
            outage = outage or backend.outage()
            if not await backend.again(outage):
                raise


async def first_of(pieces: AsyncIterator[bytes], most: int) -> tuple[bytes, bool]:
    """Return the beginning of a stream, and whether that is all of it: if not, it is a little more than ``most``."""
    head = bytearray()
    async for piece in pieces:
        head += piece
        if len(head) > most:
            return bytes(head), False
    return bytes(head), True


async def joined(head: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Give the beginning of a stream, then the rest of it, which is closed with this."""
    async with aclosing(rest):
        yield head
        async for piece in rest:
            yield piece
