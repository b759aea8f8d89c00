"""Runs two commands at once: ``python tests/side_by_side.py FIRST … --beside-- SECOND …``.

The first one's output is shown as it comes, the second one's when both have ended. The exit code is that of whichever
failed. Tests that mostly wait leave a core to the rest of the suite.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from types import FrameType

SEPARATOR = "--beside--"


def main(arguments: list[str]) -> int:
    """Run both; a signal to this process is passed on to them."""
    at = arguments.index(SEPARATOR)
    with tempfile.TemporaryFile("w+b") as kept:
        second = subprocess.Popen(arguments[at + 1 :], stdout=kept, stderr=subprocess.STDOUT)
        try:
            first = subprocess.Popen(arguments[:at])
        except OSError:
            second.terminate()
            raise
        _pass_on(first, second)
        codes = [first.wait(), second.wait()]
        print(f"\n=== beside it ran: {' '.join(arguments[at + 1 :])}", flush=True)  # noqa: T201 - its output
        kept.seek(0)
        shutil.copyfileobj(kept, sys.stdout.buffer)
        sys.stdout.flush()
    return next((abs(code) for code in codes if code), 0)


def _pass_on(*running: subprocess.Popen[bytes]) -> None:
    def tell(number: int, _frame: FrameType | None) -> None:
        for each in running:
            each.send_signal(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, tell)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
