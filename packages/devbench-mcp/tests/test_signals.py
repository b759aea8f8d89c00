"""A signal ends the process in time, whatever it is doing; a start is given up when the host is to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from devbench_mcp.stopping import EXIT_FORCED, SIGNALS, on_signals, unless_stopped

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


class Opening:
    """Something that is entered slowly, if at all."""

    def __init__(self) -> None:
        self.asked, self.free = asyncio.Event(), asyncio.Event()
        self.seen: list[str] = []

    @asynccontextmanager
    async def entered(self) -> AsyncGenerator[str]:
        self.asked.set()
        try:
            await self.free.wait()
            yield "open"
        except BaseException as error:  # above all a cancellation
            self.seen.append(type(error).__name__)
            raise
        finally:
            self.seen.append("left")


@pytest.mark.parametrize("early", [True, False])
async def test_a_start_is_cancelled_when_the_host_is_to_stop_and_nothing_is_open_then(early: bool):
    opening, stopping = Opening(), asyncio.Event()
    if early:
        stopping.set()

    async def start() -> str | None:
        async with unless_stopped(opening.entered(), stopping) as opened:
            return opened

    starting = asyncio.create_task(start())
    await asyncio.wait_for(opening.asked.wait(), 10)
    stopping.set()
    assert await asyncio.wait_for(starting, 10) is None
    assert opening.seen == ["CancelledError", "left"]


async def test_what_is_open_stays_so_when_the_host_is_to_stop_and_is_left_at_the_end():
    opening, stopping = Opening(), asyncio.Event()
    opening.free.set()
    async with unless_stopped(opening.entered(), stopping) as opened:
        stopping.set()
        await asyncio.sleep(0)
        assert (opened, opening.seen) == ("open", [])
    assert opening.seen == ["left"]


async def test_a_start_that_fails_or_is_cancelled_by_others_is_not_called_a_stop():
    @asynccontextmanager
    async def late() -> AsyncGenerator[str]:
        raise TimeoutError("of its own")
        yield ""

    with pytest.raises(TimeoutError, match="of its own"):
        async with unless_stopped(late(), asyncio.Event()):
            pass

    async def start() -> None:
        async with unless_stopped(opening.entered(), asyncio.Event()):
            pass

    opening = Opening()
    starting = asyncio.create_task(start())
    await asyncio.wait_for(opening.asked.wait(), 10)
    starting.cancel()
    await asyncio.wait({starting}, timeout=10)
    assert starting.cancelled()
