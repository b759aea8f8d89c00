"""gzip in and out, in bounded memory."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator

from devbench_core.errors import DumpRefused

MAGIC = b"\x1f\x8b"
GZIP = 16 + zlib.MAX_WBITS
LEVEL = 6
PIECE_BYTES = 256 * 1024
"""What is unpacked at once, so that little input never becomes much memory."""


async def compressed(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Give pieces compressed with gzip."""
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    async for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


async def plain(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Give pieces as they are, or unpacked where they begin as gzip does.

    Raises:
        DumpRefused: The compressed data are cut or damaged.
    """
    unpacker = None
    first = b""
    begun = False
    async for piece in pieces:
        if not begun:
            first += piece
            if len(first) < len(MAGIC):
                continue
            begun, piece = True, first  # noqa: PLW2901 - the first pieces as one
            unpacker = zlib.decompressobj(GZIP) if first.startswith(MAGIC) else None
        if unpacker is None:
            yield piece
            continue
        while piece:
            yield _unpacked(unpacker, piece)
            piece = unpacker.unconsumed_tail  # noqa: PLW2901 - what is left of it
            await asyncio.sleep(0)  # it may be much
    if not begun and first:
        yield first
    if unpacker is not None:
        yield unpacker.flush()  # at most what the window holds
        if not unpacker.eof:
            raise _refused("cut", "the compressed dump is cut")


def _unpacked(unpacker: zlib._Decompress, piece: bytes) -> bytes:  # pyright: ignore[reportPrivateUsage] - its type has no other name
    if unpacker.eof:
        raise _refused("damaged", "something comes after the compressed dump")
    try:
        unpacked = unpacker.decompress(piece, PIECE_BYTES)
    except zlib.error as error:
        raise _refused("damaged", f"the compressed dump is damaged: {error}") from error
    if unpacker.unused_data:
        raise _refused("damaged", "something comes after the compressed dump")
    return unpacked


def _refused(reason: str, message: str) -> DumpRefused:
    return DumpRefused(
        message,
        hint="make the dump again, or take another one; nothing was changed",
        details={"reason": reason},
    )
