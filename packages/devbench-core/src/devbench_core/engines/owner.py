"""Which process made something ahead of need, so that the next one can tell whether it still lives."""

from __future__ import annotations

import os
from pathlib import Path

PID_NAMESPACE = Path("/proc/self/ns/pid")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NOWHERE = "?:?"
DEAD_STATES = frozenset("ZX")  # it has ended, and its parent has not asked how
START_TIME_FIELD = 19  # of /proc/PID/stat, counted after the command's closing parenthesis


def this_process() -> str:
    """Return ``boot:namespace:pid:start`` of this process. Reads /proc; call it off the event loop."""
    return f"{_here()}:{os.getpid()}:{_start_time(os.getpid())}"


def lives(owner: str) -> bool | None:
    """Tell whether an owner lives; None where that cannot be seen: it is of another machine, boot or namespace."""
    boot, _, rest = owner.partition(":")
    namespace, _, process = rest.partition(":")
    pid, _, start = process.partition(":")
    here = _here()
    if here == NOWHERE or f"{boot}:{namespace}" != here or not pid.isdigit() or not start:
        return None
    return _start_time(int(pid)) == start


def _here() -> str:
    try:
        namespace = PID_NAMESPACE.readlink().name.strip("pid:[]")
        return f"{BOOT_ID.read_text('ascii').strip()}:{namespace}"
    except OSError:
        return NOWHERE


def _start_time(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in DEAD_STATES else fields[START_TIME_FIELD]
