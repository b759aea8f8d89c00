"""Runs several commands at once: ``python tests/side_by_side.py FIRST … --beside-- SECOND … --beside-- THIRD …``.

The first one's output is shown as it comes, those of the others when all have ended. The exit code is that of whichever
failed. Tests that mostly wait leave processors to the rest of the suite.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from itertools import groupby
from types import FrameType

SEPARATOR = "--beside--"


def main(arguments: list[str]) -> int:
    """Run all of them; a signal to this process is passed on to them."""
    first, *others = _commands(arguments)
    with ExitStack() as stack:
        kept = [stack.enter_context(tempfile.TemporaryFile("w+b")) for _ in others]
        running: list[subprocess.Popen[bytes]] = []
        try:
            for command, output in zip(others, kept, strict=True):
                running.append(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT))
            running.append(subprocess.Popen(first))
        except OSError:
            for each in running:
                each.terminate()
            raise
        _pass_on(*running)
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


def _pass_on(*running: subprocess.Popen[bytes]) -> None:
    def tell(number: int, _frame: FrameType | None) -> None:
        for each in running:
            each.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, tell)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
