"""What a person at a terminal sees and presses: a real pseudo-terminal, a real Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEADLINE_S = 90.0
CTRL_C = b"\x03"


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

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)


@contextmanager
def terminal(cli: Any, *arguments: str, **variables: str) -> Generator[Terminal]:
    master, slave = pty.openpty()
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


def running(word: str) -> bool:
    """Tell whether a process with this argument runs anywhere on this machine."""
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and word in (folder / "cmdline").read_text().split("\0"):
                return True
        except OSError:
            continue
    return False


def test_ctrl_c_ends_the_command_with_its_background_children(each_cli: Any):
    unique = f"9{os.getpid()}"
    container = each_cli.ok("spawn").strip()
    script = f"trap '' INT; sleep {unique} & echo ready; sleep {unique}"
    with terminal(each_cli, "exec", container, "sh", "-c", script) as screen:
        screen.read_until(lambda seen: b"ready" in seen)
        assert running(unique)
        screen.press(CTRL_C)
        screen.rest()
        assert screen.process.wait(DEADLINE_S) == 130
    assert not running(unique)


def test_a_terminal_as_stdin_is_not_read_and_output_is_live(cli: Any, web: str):
    with terminal(cli, "exec", web, "sh", "-c", "echo first; cat; echo second") as screen:
        seen = screen.rest()
        assert screen.process.wait(DEADLINE_S) == 0
    assert seen == b"first\r\nsecond\r\n"


def test_a_transfer_draws_a_bar_on_a_terminal_and_nothing_elsewhere(cli: Any, web: str, tmp_path: Path):
    (tmp_path / "big.bin").write_bytes(os.urandom(2_000_000))
    copy = ("cp", str(tmp_path / "big.bin"), f"{web}:big.bin")
    with terminal(cli, *copy) as screen:
        seen = screen.rest()
        assert screen.process.wait(DEADLINE_S) == 0
    assert "━".encode() in seen
    assert b"2.0/2.0 MB" in seen
    assert cli.run(*copy).stderr == b""


def test_no_color_is_honoured(cli: Any):
    with terminal(cli, "inspect", "nobody") as screen:
        assert b"\x1b[1;31merror[container_not_found]" in screen.rest()
    with terminal(cli, "inspect", "nobody", NO_COLOR="1") as screen:
        assert b"\x1b[" not in screen.rest()
