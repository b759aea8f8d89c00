"""A signal ends the process in time, whatever it is doing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import pytest

from devbench_mcp.stopping import EXIT_FORCED, SIGNALS, on_signals

STUCK = """
import asyncio, time
from devbench_mcp.stopping import on_signals

async def main():
    with on_signals(0.3):
        print("stuck", flush=True)
        time.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_sets_the_event_and_a_clean_end_is_not_disturbed(number: signal.Signals):
    before = signal.getsignal(number)
    with on_signals(0.1) as stopping:
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stopping.wait(), 5)
        os.kill(os.getpid(), number)  # a second one changes nothing
    assert signal.getsignal(number) is before


async def test_a_process_whose_loop_is_stuck_ends_after_its_grace():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STUCK, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    await asyncio.wait_for(process.stdout.readline(), 30)
    begun = time.monotonic()
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == EXIT_FORCED
    assert time.monotonic() - begun >= 0.3
    assert b"the grace is over" in await process.stderr.read()
