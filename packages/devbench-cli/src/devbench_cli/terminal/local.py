"""The terminal that this process runs at."""

from __future__ import annotations

import asyncio
import os
import termios
import tty
from collections.abc import Generator
from contextlib import contextmanager, suppress

from devbench_cli.descriptors import READ_BYTES, STDERR, STDIN, STDOUT
from devbench_core.errors import ValidationFailed
from devbench_core.execs.numbers import TERMINAL_SIDE_MAX

COLUMNS, ROWS = 80, 24
"""The size where there is no terminal, or one that does not know its own."""


def is_terminal(descriptor: int) -> bool:
    """Tell whether a descriptor is one; a closed one is not."""
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def require_terminal(instead: str) -> None:
    """Check that somebody can type.

    Raises:
        ValidationFailed: stdin is no terminal; the hint says what to do instead.
    """
    if not is_terminal(STDIN):
        raise ValidationFailed("stdin", "is no terminal, so nobody can type at the command's", hint=instead)


def size() -> dict[str, int]:
    """Return columns and rows of the first of our streams that is a terminal."""
    for descriptor in (STDIN, STDOUT, STDERR):
        with suppress(OSError):
            found = os.get_terminal_size(descriptor)
            if found.columns > 0 and found.lines > 0:
                return {
                    "columns": min(found.columns, TERMINAL_SIDE_MAX),
                    "rows": min(found.lines, TERMINAL_SIDE_MAX),
                }
    return {"columns": COLUMNS, "rows": ROWS}


class RawMode:
    """Our terminal, passing every key and byte on as it is, until it is restored."""

    def __init__(self) -> None:
        self._saved = termios.tcgetattr(STDIN)
        tty.setraw(STDIN, termios.TCSANOW)  # what was typed before is kept

    def restore(self) -> None:
        """Put back what was there; safe to repeat. A terminal that is gone needs nothing."""
        with suppress(termios.error):
            # Not after its output is drained: that waits for ever when nobody reads the terminal.
            termios.tcsetattr(STDIN, termios.TCSANOW, self._saved)


@contextmanager
def raw_mode() -> Generator[RawMode]:
    """Switch our terminal to raw mode for the length of a block, however that ends."""
    mode = RawMode()
    try:
        yield mode
    finally:
        mode.restore()


async def typed() -> bytes:
    """Return what comes on stdin next; empty at its end, also when the terminal is gone."""
    loop = asyncio.get_running_loop()
    while True:
        ready = asyncio.Event()
        try:
            loop.add_reader(STDIN, ready.set)
        except OSError:  # a file, which is always ready, or closed
            return await asyncio.to_thread(_read) or b""
        try:
            await ready.wait()
        finally:
            loop.remove_reader(STDIN)
        data = _read()
        if data is not None:
            return data


def _read() -> bytes | None:
    """Return what is there; None when somebody else took it and made the descriptor non-blocking."""
    try:
        return os.read(STDIN, READ_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""
