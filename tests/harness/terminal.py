"""A program on a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

DEADLINE_S = 90.0


class Terminal:
    """A program with a controlling terminal of its own."""

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.master = master
        self.process = process
        self.seen = b""

    def read_until(self, enough: Callable[[bytes], bool]) -> bytes:
        deadline = time.monotonic() + DEADLINE_S
        while not enough(self.seen):
            left = deadline - time.monotonic()
            assert left > 0, f"not seen in time: {self.seen!r}"
            if select.select([self.master], [], [], left)[0]:
                try:
                    piece = os.read(self.master, 65536)
                except OSError:  # Linux says so when the last program of a terminal has gone
                    piece = b""
                if not piece:
                    break
                self.seen += piece
        return self.seen

    def rest(self) -> bytes:
        return self.read_until(lambda _: False)

    def resize(self, columns: int, rows: int) -> None:
        """Change its size, as dragging a window's corner does: its foreground is told."""
        termios.tcsetwinsize(self.master, (rows, columns))

    def modes(self) -> list[Any]:
        """What `stty` shows of it."""
        return termios.tcgetattr(self.master)

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)


@contextmanager
def terminal(
    cli: Any, *arguments: str, size: tuple[int, int] = (0, 0), **variables: str
) -> Generator[Terminal]:
    """Run a program at a terminal of so many columns and rows (0: it does not know its own)."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(master, (size[1], size[0]))
    process = subprocess.Popen(
        ["setsid", "--ctty", *cli.argv(*arguments)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=cli.folder,
        env={**cli.environment, "TERM": "xterm-256color", "COLUMNS": "100", **variables},
    )
    os.close(slave)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)
