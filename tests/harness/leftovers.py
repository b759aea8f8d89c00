"""What hosts that are killed leave running."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


def end_what_names(folder: Path) -> None:
    """End every process that names a folder: the fake runtime writes an agent's number down after it has started it."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)
