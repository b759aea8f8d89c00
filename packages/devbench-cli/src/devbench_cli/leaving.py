"""The end of a process whose work is done."""

from __future__ import annotations

import atexit
import os
import sys
import threading


def leave(end: SystemExit) -> None:
    """End this process as an exit would, all but taking the interpreter apart; return where that may not be.

    What was registered for the exit is done, and what was written is flushed. Where another thread still runs, the
    interpreter's own end waits for it.
    """
    if not isinstance(end.code, int) or threading.active_count() > 1:
        return
    # There is no public name for it, and without it temporary folders, logs and measured coverage would be left undone.
    atexit._run_exitfuncs()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (OSError, ValueError, AttributeError):
        return  # closed or gone: the interpreter knows what to make of that
    os._exit(end.code)
