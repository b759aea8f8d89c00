"""Runs several commands at once: ``python tests/side_by_side.py FIRST … --beside-- SECOND … --beside-- THIRD …``.

The first one's output is shown as it comes, those of the others when all have ended. The exit code is that of whichever
failed. Tests that mostly wait leave processors to the rest of the suite.

Python's compiled files are kept whatever the shell says: tests start hundreds of programs, and compiling what they
import is half of each start.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from itertools import groupby
from types import FrameType
from typing import IO

SEPARATOR = "--beside--"
PASSED_ON = (signal.SIGINT, signal.SIGTERM)


def main(arguments: list[str]) -> int:
    """Run all of them; a signal to this process is passed on to them."""
    first, *others = _commands(arguments)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with ExitStack() as stack:
        kept = [stack.enter_context(tempfile.TemporaryFile("w+b")) for _ in others]
        running: list[subprocess.Popen[bytes]] = []
        _pass_on(running)
        # A signal waits until all have started: in between it would reach some of them only, or this one alone.
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        try:
            for command, output in zip(others, kept, strict=True):
                running.append(_started(command, stdout=output, stderr=subprocess.STDOUT))
            running.append(_started(first))
        except OSError:
            for each in running:
                each.terminate()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        codes = [each.wait() for each in reversed(running)]
        for command, output in zip(others, kept, strict=True):
            print(f"\n=== beside it ran: {' '.join(command)}", flush=True)  # noqa: T201 - its output
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout.buffer)
            sys.stdout.flush()
    return next((abs(code) for code in codes if code), 0)


def _commands(arguments: list[str]) -> list[list[str]]:
    return [
        list(words)
        for is_separator, words in groupby(arguments, lambda word: word == SEPARATOR)
        if not is_separator
    ]


def _started(
    command: list[str], stdout: IO[bytes] | None = None, stderr: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a program that gets signals, although they are held back here."""
    return subprocess.Popen(
        command,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON),  # noqa: PLW1509 - no threads here
        stdout=stdout,
        stderr=stderr,
    )


def _pass_on(running: list[subprocess.Popen[bytes]]) -> None:
    def tell(number: int, _frame: FrameType | None) -> None:
        for each in running:
            each.send_signal(number)

    for number in PASSED_ON:
        signal.signal(number, tell)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
