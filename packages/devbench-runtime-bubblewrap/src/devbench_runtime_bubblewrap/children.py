"""The bwraps that this process started: reaped when they end, left alone when we end.

A container outlives its host, so nothing here ever kills. The kernel hands our children to init when we die.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from contextlib import suppress


class Children:
    """Reaps. One per process, because a child belongs to the process."""

    def __init__(self) -> None:
        self._living: dict[int, subprocess.Popen[bytes]] = {}
        self._guard = threading.Lock()

    def keep(self, child: subprocess.Popen[bytes]) -> None:
        """Take a child, and reap those that have ended meanwhile."""
        with self._guard:
            self._living[child.pid] = child
        self.reap()

    def reap(self) -> None:
        """Reap those that have ended; returns at once."""
        with self._guard:
            self._living = {pid: child for pid, child in self._living.items() if child.poll() is None}

    def watch(self, pid: int) -> None:
        """Reap a child as soon as it ends, as long as the running loop lives."""
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return  # it ended already; `keep` reaps it
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self.reap()

        with suppress(NotImplementedError):
            loop.add_reader(descriptor, ended)


CHILDREN = Children()
