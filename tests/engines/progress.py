"""Plain progress lines with the time since the start, so that nobody wonders whether it hangs."""

import sys
import time

_STARTED = time.monotonic()


def say(text: str) -> None:
    """Write one line such as ``[  12.3 s] importing devbench-test/busybox``."""
    sys.stdout.write(f"[{time.monotonic() - _STARTED:7.1f} s] {text}\n")
    sys.stdout.flush()
