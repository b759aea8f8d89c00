"""Turns TERM and INT into one event, with a hard end behind it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGINT)
EXIT_FORCED = 70


@contextmanager
def on_signals(grace_s: float) -> Generator[asyncio.Event]:
    """Yield an event that TERM and INT set; the process ends at the latest ``grace_s`` after the first signal.

    Whatever was cut off is found and cleaned by the next start. The hard end is a thread, so that it comes even
    when the loop or another thread is stuck.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    done = threading.Event()

    def enforce() -> None:
        if not done.wait(grace_s):
            print("devbench-mcp: the grace is over, ending now", file=sys.stderr, flush=True)  # noqa: T201
            os._exit(EXIT_FORCED)

    def stop() -> None:
        if not stopping.is_set():
            stopping.set()
            threading.Thread(target=enforce, name="grace", daemon=True).start()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield stopping
    finally:
        done.set()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
