"""Processes that faulty implementations leave."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
DEADLINE_S = 30.0
STEP_S = 0.01


def become_reaper() -> None:
    """Have all that is left beneath this process become its children."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def end_children() -> None:
    """Kill all of them, and what becomes a child by that, until none is left."""
    deadline = time.monotonic() + DEADLINE_S
    while children := _children():
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        while _reaped():
            pass
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(children)} processes do not end")
        time.sleep(STEP_S)


def _children() -> list[int]:
    text = "".join(path.read_text("utf-8") for path in Path("/proc/self/task").glob("*/children"))
    return [int(word) for word in text.split()]


def _reaped() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False
