"""Decompression in pieces of bounded size, with an end to bombs."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Protocol

from devbench_core.archives.entry import damaged
from devbench_core.errors import TooLarge
from devbench_core.model.archive import ArchiveFormat

if sys.version_info >= (3, 14):  # checked against 3.11, which does not have it
    from compression import zstd  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
else:
    from backports import zstd

OUT_BYTES = 131_072  # of one step; some 0.3 ms of work
IN_BYTES = 65_536
WINDOW_LOG_MAX = 25
"""Memory that a zstd frame may ask for: 32 MiB, above what level 19 needs."""
RATIO_FLOOR_BYTES = 16 * 1024 * 1024
"""Below this much output no ratio is looked at: little is compressed well by accident."""
GZIP = 31


class Budget:
    """What may still come out of an archive.

    Args:
        max_bytes: Of all output.
        max_ratio: Of output to input.
    """

    def __init__(self, max_bytes: int, max_ratio: int) -> None:
        self._max_bytes = max_bytes
        self._max_ratio = max_ratio
        self.taken = 0
        self.given = 0

    def take(self, count: int) -> None:
        """Note compressed bytes."""
        self.taken += count

    def give(self, count: int) -> None:
        """Note bytes that came out.

        Raises:
            TooLarge: They are too many, or too many for what went in.
        """
        self.given += count
        if self.given > self._max_bytes:
            raise _over("unpacks to more than", self._max_bytes, "archive_max_bytes", "bytes")
        if self.given > RATIO_FLOOR_BYTES and self.given > self._max_ratio * max(self.taken, 1):
            raise _over("unpacks to more than", self._max_ratio, "archive_max_ratio", "times its size")


def _over(what: str, limit: int, name: str, unit: str) -> TooLarge:
    setting = f"files.{name}"
    return TooLarge(
        f"the archive {what} {limit} {unit}",
        hint=f"raise {setting} if you trust the archive",
        details={"limit": limit, "setting": setting},
    )


class Decompressor(Protocol):
    """One compressed frame or member."""

    @property
    def over(self) -> bool:
        """Whether its end was reached."""
        ...

    @property
    def hungry(self) -> bool:
        """Whether it has used up its input."""
        ...

    @property
    def rest(self) -> bytes:
        """Input behind its end."""
        ...

    def step(self, data: bytes) -> bytes:
        """Take input, if it is hungry, and give at most `OUT_BYTES`."""
        ...


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(GZIP)

    @property
    def over(self) -> bool:
        return self._inner.eof

    @property
    def hungry(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data

    def step(self, data: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail or data, OUT_BYTES)


class _Zstd:
    def __init__(self) -> None:
        options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG_MAX}
        self._inner = zstd.ZstdDecompressor(options=options)

    @property
    def over(self) -> bool:
        return self._inner.eof

    @property
    def hungry(self) -> bool:
        return self._inner.needs_input

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data

    def step(self, data: bytes) -> bytes:
        return self._inner.decompress(data, OUT_BYTES)


def _new(format_: ArchiveFormat) -> Decompressor:
    return _Gzip() if format_ is ArchiveFormat.TAR_GZ else _Zstd()


async def unpacked(
    format_: ArchiveFormat, pieces: AsyncIterable[bytes], budget: Budget
) -> AsyncIterator[bytes]:
    """Give what a tar's compression hides, member after member, in pieces of at most `OUT_BYTES`."""
    if format_ is ArchiveFormat.TAR:
        async for piece in pieces:
            budget.take(len(piece))
            budget.give(len(piece))
            yield piece
        return
    inner: Decompressor | None = None
    async for whole in pieces:
        for start in range(0, len(whole), IN_BYTES):
            data = whole[start : start + IN_BYTES]
            budget.take(len(data))
            while data or (inner is not None and not inner.over and not inner.hungry):
                if inner is None or inner.over:
                    data = data.lstrip(b"\0") if inner is not None else data  # padding between members
                    if not data:
                        break
                    inner = _new(format_)
                out = _step(inner, data)
                data = inner.rest if inner.over else b""
                budget.give(len(out))
                if out:
                    yield out
                await asyncio.sleep(0)  # others get a turn
    if inner is None or not inner.over:
        raise damaged("the archive ends in the middle")


def _step(inner: Decompressor, data: bytes) -> bytes:
    try:
        return inner.step(data)
    except (zlib.error, zstd.ZstdError) as error:
        raise damaged(f"the archive cannot be unpacked: {error}") from error
