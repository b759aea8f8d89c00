"""Archives that end too early, wherever that is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from devbench_cli.backends.whole import HELD_MAX_BYTES, whole
from devbench_cli.failures import HostUnreachable
from devbench_core.archives.entry import EntryType
from devbench_core.archives.tar_writer import TarWriter
from devbench_core.archives.writer import Head, Writer
from devbench_core.archives.zip_writer import ZipWriter
from devbench_core.model.archive import ArchiveFormat


async def archive_of(format_: ArchiveFormat) -> bytes:
    writer: Writer = ZipWriter() if format_ is ArchiveFormat.ZIP else TarWriter(format_)
    found = b""
    for name, content in ((b"zeros", bytes(5000)), ("ä".encode() * 90, b"text"), (b"empty", b"")):
        found += await writer.begin(
            Head(name=name, type=EntryType.FILE, mode=0o644, mtime_ns=0, size=len(content))
        )
        found += await writer.content(content) + await writer.end()
    return found + await writer.finish()


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def taken(format_: ArchiveFormat, pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in whole(format_, pieces)])


@pytest.mark.parametrize("format_", ArchiveFormat)
async def test_a_whole_archive_is_given_as_it_came_and_no_part_of_it_passes(format_: ArchiveFormat):
    data = await archive_of(format_)
    for size in (7, 512, len(data)):
        assert await taken(format_, in_pieces(data, size)) == data
    last = (
        len(data.rstrip(b"\0")) if format_ is ArchiveFormat.TAR else len(data) - 1
    )  # behind it a tar is filled up
    for end in [*range(0, last, max(1, last // 60)), last]:
        with pytest.raises(HostUnreachable, match="no whole archive"):
            await taken(format_, in_pieces(data[:end], 512))


@pytest.mark.parametrize("format_", [ArchiveFormat.TAR, ArchiveFormat.TAR_GZ])
async def test_what_follows_an_archive_is_not_gathered_without_end(format_: ArchiveFormat):
    data = await archive_of(format_)
    endless = data + bytes(2 * HELD_MAX_BYTES)
    with pytest.raises(HostUnreachable, match=str(HELD_MAX_BYTES)):
        await taken(format_, in_pieces(endless, 65_536))
