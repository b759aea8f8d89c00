"""Time that a test moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta

from devbench_core.testing.fake import FakeClock


def test_both_times_move_together_and_go_on_by_themselves():
    clock = FakeClock()
    before, before_s = clock.now(), clock.monotonic_s()
    clock.pass_s(3600)
    assert clock.now().tzinfo is UTC
    assert timedelta(hours=1) < clock.now() - before < timedelta(hours=2)
    assert 3600 < clock.monotonic_s() - before_s < 7200


async def test_sleepers_wake_when_their_time_has_come_and_not_before():
    clock = FakeClock()
    short, long = (asyncio.create_task(clock.sleep(seconds)) for seconds in (100, 1000))
    await asyncio.sleep(0)
    clock.pass_s(500)
    await short
    assert not long.done()
    clock.pass_s(500)
    await long


async def test_a_sleep_also_ends_by_itself():
    await FakeClock().sleep(0.01)


async def test_a_sleep_that_is_cancelled_is_forgotten():
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep(1000))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.wait([sleeper])
    assert sleeper.cancelled()
    clock.pass_s(2000)
