"""This process's own standard streams, byte for byte and without blocking the loop."""

from __future__ import annotations

import asyncio
import os
import select
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from devbench_core.errors import TooLarge
from devbench_core.tool import ProgressSink

STDIN, STDOUT, STDERR = 0, 1, 2
READ_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024
"""Of content that is passed on while it is read."""


async def write(descriptor: int, data: bytes) -> None:
    """Write all bytes to a descriptor.

    Raises:
        BrokenPipeError: Nobody reads it any more.
    """
    if data:
        await asyncio.to_thread(_write_all, descriptor, data)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # somebody before us made it non-blocking
            select.select([], [descriptor], [])


async def piped_input(max_bytes: int) -> bytes | None:
    """Return all of stdin when it is a pipe or a file, None when it is a terminal or closed.

    Raises:
        TooLarge: There is more than the bound.
    """
    if _is_terminal_or_closed():
        return None
    return await all_input(max_bytes)


async def all_input(max_bytes: int) -> bytes:
    """Return all of stdin.

    Raises:
        TooLarge: There is more than the bound.
    """
    data = await _apart(lambda: _read_all(max_bytes + 1))
    if len(data) > max_bytes:
        raise TooLarge(
            f"stdin holds more than {max_bytes} bytes",
            hint="copy it with `devbench cp` and let the command read the file",
            details={"limit": max_bytes},
        )
    return data


async def input_pieces(progress: ProgressSink) -> AsyncGenerator[bytes]:
    """Give stdin while it comes."""
    done = 0
    while piece := await _apart(lambda: os.read(STDIN, PIECE_BYTES)):
        done += len(piece)
        yield piece
        await progress(done, None, "")


async def _apart(read: Callable[[], bytes]) -> bytes:
    """Read in a thread that does not keep the process alive: Ctrl-C must end a wait for a pipe that never ends."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def settle(data: bytes, error: OSError | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(data)
        else:
            done.set_exception(error)

    def work() -> None:
        data, error = b"", None
        try:
            data = read()
        except OSError as raised:
            error = raised
        with suppress(RuntimeError):  # the loop has gone meanwhile
            loop.call_soon_threadsafe(settle, data, error)

    threading.Thread(target=work, name="stdin", daemon=True).start()
    return await done


def _read_all(max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    left = max_bytes
    while left > 0 and (piece := os.read(STDIN, min(left, READ_BYTES))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _is_terminal_or_closed() -> bool:
    try:
        return sys.stdin is None or os.isatty(STDIN)  # pyright: ignore[reportUnnecessaryComparison] - None when closed
    except OSError:
        return True
