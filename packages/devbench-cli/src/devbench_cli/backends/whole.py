"""Whether all of an archive came: behind a proxy that speaks HTTP/1.0 a part of one ends as all of it does."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

from devbench_cli.failures import HostUnreachable
from devbench_core.archives.decompress import Budget, unpacked
from devbench_core.archives.entry import damaged
from devbench_core.archives.source import Source
from devbench_core.archives.tar_reader import tar_entries
from devbench_core.errors import ArchiveRefused
from devbench_core.model.archive import ArchiveFormat

TAR_END = bytes(1024)
ZIP_END, ZIP_END_BYTES = b"PK\5\6", 22
BYTES_MAX, RATIO_MAX = 2**50, 1_000_000
HELD_MAX_BYTES = 8 * 1024 * 1024
"""What comes between two entries: headers, and the end."""


async def whole(format_: ArchiveFormat, pieces: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """Give an archive as it comes.

    Raises:
        HostUnreachable: At its end, when that is not the end of the archive.
    """
    seen = _Seen(pieces)
    passing = _zip(seen) if format_ is ArchiveFormat.ZIP else _tar(format_, seen)
    try:
        async for _ in passing:
            while seen.held:
                yield seen.next()
        while seen.held:
            yield seen.next()
    except ArchiveRefused as error:
        raise HostUnreachable(
            f"what came is no whole archive: {error.message}",
            hint="a part was not kept; copy it again, and let the proxy speak HTTP/1.1 (proxy_http_version 1.1)",
        ) from error


class _Seen:
    """Pieces on their way through whatever looks at them."""

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self._pieces = pieces
        self._size = 0
        self.held: deque[bytes] = deque()
        self.tail = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            self.held.append(piece)
            self._size += len(piece)
            if self._size > HELD_MAX_BYTES:
                raise damaged(f"there are more than {HELD_MAX_BYTES} bytes without an entry")
            self.tail = (self.tail + piece[-len(TAR_END) :])[-len(TAR_END) :]
            yield piece

    def next(self) -> bytes:
        """Take the first piece that was seen."""
        piece = self.held.popleft()
        self._size -= len(piece)
        return piece


async def _tar(format_: ArchiveFormat, seen: _Seen) -> AsyncIterator[None]:
    """Read it as who unpacks it does: a file of zeros may look like the end."""
    async for entry in tar_entries(Source(unpacked(format_, seen, Budget(BYTES_MAX, RATIO_MAX)))):
        if entry.content is not None:
            async for _ in entry.content:
                yield
        yield
    if format_ is ArchiveFormat.TAR and seen.tail != TAR_END:
        raise damaged("the archive ends without its end mark")


async def _zip(seen: _Seen) -> AsyncIterator[None]:
    async for _ in seen:
        yield
    if not seen.tail[-ZIP_END_BYTES:].startswith(ZIP_END):
        raise damaged("the archive ends in the middle")
