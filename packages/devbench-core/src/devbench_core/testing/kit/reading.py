"""Reads streams that may be broken, and does not wait for ever."""

from __future__ import annotations

import asyncio

from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import AgentUnavailable

PIECE_S = 30.0


async def next_piece(stream: ByteStream) -> bytes:
    """Return the next bytes.

    Raises:
        AssertionError: None came in time, nor an end.
    """
    try:
        async with asyncio.timeout(PIECE_S):
            return await stream.read()
    except TimeoutError:
        raise AssertionError(f"nothing came on a stream within {PIECE_S} s") from None


async def read_exactly(stream: ByteStream, count: int) -> bytes:
    """Return this many bytes; what came with the last of them is not lost."""
    data = b""
    while len(data) < count:
        piece = await next_piece(stream)
        assert piece, f"the stream ended after {len(data)} of {count} bytes"
        data += piece
    return data


async def ended(stream: ByteStream) -> bool:
    """Read to the end; a break is an end, too."""
    try:
        while await next_piece(stream):
            pass
    except AgentUnavailable:
        return True
    return True
