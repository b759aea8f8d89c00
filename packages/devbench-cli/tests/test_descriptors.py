from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import asyncio, sys
from devbench_cli.descriptors import STDERR, STDOUT, piped_input, write

async def main():
    data = await piped_input(1_000_000)
    await write(STDERR, repr(None if data is None else len(data)).encode())
    await write(STDOUT, data or b"")

asyncio.run(main())
"""


def echo(stdin: int) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT], check=False, stdin=stdin, capture_output=True, timeout=60
    )


def test_a_pipe_is_read_to_its_end_and_written_byte_for_byte():
    data = os.urandom(999_999)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=False, input=data, capture_output=True, timeout=60
    )
    assert done.stdout == data


def test_a_terminal_is_not_read():
    master, slave = os.openpty()
    try:
        assert echo(slave).stderr == b"None"
    finally:
        os.close(master)
        os.close(slave)


def test_too_much_input_is_refused_with_the_limit():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=False, input=b"x" * 1_000_001, capture_output=True, timeout=60
    )
    assert b"stdin holds more than 1000000 bytes" in done.stderr
