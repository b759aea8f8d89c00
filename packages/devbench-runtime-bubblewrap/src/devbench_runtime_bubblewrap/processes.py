"""Processes of this machine, told apart beyond the reuse of their numbers."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import attrs

from devbench_core.values import frozen

START_TICKS_FIELD = 19  # field 22 of proc(5)'s stat, counted from the state, which follows the name
DEAD_STATES = {"Z", "X"}


@functools.cache
def boot_id() -> str:
    """Return what tells this boot of the machine from others."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@frozen
class ProcessMark:
    """One process, for good.

    Attributes:
        pid: Its number, which others may get after it.
        start_ticks: When it started, in the kernel's clock ticks since boot.
        boot: Which boot.
        started_at: When we let it go, UTC.
    """

    pid: int
    start_ticks: int
    boot: str
    started_at: datetime

    def dump(self) -> bytes:
        """Return the JSON of it."""
        return json.dumps(attrs.asdict(self) | {"started_at": self.started_at.isoformat()}).encode()

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        return self.boot == boot_id() and start_ticks(self.pid) == self.start_ticks


def read_mark(path: Path) -> ProcessMark | None:
    """Read a mark, None when there is none; blocking."""
    try:
        data = json.loads(path.read_bytes())
        return ProcessMark(**data | {"started_at": datetime.fromisoformat(data["started_at"])})
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def start_ticks(pid: int) -> int | None:
    """Return when a process started, None when none of this number runs."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in DEAD_STATES else int(fields[START_TICKS_FIELD])


def open_process(mark: ProcessMark) -> int | None:
    """Return a descriptor of exactly this process, None when it is gone; a signal through it hits no other."""
    try:
        descriptor = os.pidfd_open(mark.pid)
    except OSError:
        return None
    if mark.alive:
        return descriptor
    os.close(descriptor)
    return None


def send(descriptor: int, number: signal.Signals) -> None:
    """Signal the process behind a descriptor; one that is gone is fine."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, number)


async def gone(descriptor: int, timeout_s: float) -> bool:
    """Wait until the process behind a descriptor has ended; tell whether it did within the time."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(timeout_s):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
    return True
