"""Faults: of which call, when, how often, and what a test sees of them."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from devbench_core.testing.fake import FakeClock, Faults

Call = Literal["make", "look"]


class Thing:
    """Something whose calls can be made to fail."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.faults = Faults[Call](Call, self.clock)
        self.made = 0

    async def make(self) -> int:
        async with self.faults.on("make", self.made):
            self.made += 1
            return self.made

    async def look(self) -> int:
        async with self.faults.on("look"):
            return self.made


@pytest.fixture
def thing() -> Thing:
    return Thing()


async def test_one_call_fails_and_the_next_does_not(thing: Thing):
    thing.faults.fail("make", OSError("no"))
    with pytest.raises(OSError, match="no"):
        await thing.make()
    assert await thing.make() == 1


async def test_as_many_calls_fail_as_were_asked_for_after_those_that_are_left_alone(thing: Thing):
    thing.faults.fail("make", OSError("no"), times=2, after=1)
    assert await thing.make() == 1
    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            await thing.make()
    assert await thing.make() == 2


async def test_a_call_whose_answer_got_lost_took_effect(thing: Thing):
    thing.faults.fail("make", OSError("lost"), when="after")
    with pytest.raises(OSError, match="lost"):
        await thing.make()
    assert thing.made == 1


async def test_other_calls_are_left_alone(thing: Thing):
    thing.faults.fail("make", OSError("no"), times=None)
    assert await thing.look() == 0


async def test_faults_of_one_call_happen_one_after_the_other(thing: Thing):
    thing.faults.fail("make", OSError("first"))
    thing.faults.fail("make", OSError("second"))
    for word in ("first", "second"):
        with pytest.raises(OSError, match=word):
            await thing.make()
    assert await thing.make() == 1


async def test_a_withdrawn_fault_happens_no_more(thing: Thing):
    fault = thing.faults.fail("make", OSError("no"), times=None)
    with pytest.raises(OSError, match="no"):
        await thing.make()
    fault.withdraw()
    assert await thing.make() == 1


async def test_a_call_fails_for_the_length_of_a_block(thing: Thing):
    with thing.faults.failing("make", OSError("no")):
        for _ in range(2):
            with pytest.raises(OSError, match="no"):
                await thing.make()
    assert await thing.make() == 1


async def test_every_call_fails_until_the_faults_are_cleared(thing: Thing):
    thing.faults.fail_all(OSError("no"))
    for call in (thing.make, thing.look):
        with pytest.raises(OSError, match="no"):
            await call()
    thing.faults.clear()
    assert await thing.make() == await thing.look()


async def test_a_slow_call_ends_when_its_time_has_passed_on_the_clock(thing: Thing):
    fault = thing.faults.delay("make", 3600)
    call = asyncio.create_task(thing.make())
    await fault.reached()
    thing.clock.pass_s(3000)
    await asyncio.sleep(0)
    assert not call.done()
    thing.clock.pass_s(600)
    assert await call == 1


async def test_a_call_hangs_until_it_is_released(thing: Thing):
    fault = thing.faults.hang("make")
    call = asyncio.create_task(thing.make())
    await fault.reached()
    assert thing.made == 0
    assert await thing.look() == 0
    fault.release()
    assert await call == 1


async def test_a_call_that_hangs_before_its_answer_has_taken_effect(thing: Thing):
    fault = thing.faults.hang("make", when="after")
    call = asyncio.create_task(thing.make())
    await fault.reached()
    assert thing.made == 1
    thing.faults.clear()
    assert await call == 1


async def test_a_call_that_hangs_can_be_cancelled(thing: Thing):
    fault = thing.faults.hang("make")
    call = asyncio.create_task(thing.make())
    await fault.reached()
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    assert await thing.make() == 1


async def test_calls_beside_each_other_are_not_hit_more_often_than_asked_for(thing: Thing):
    hang = thing.faults.hang("make", times=None)
    thing.faults.fail("make", OSError("no"))
    calls = [asyncio.create_task(thing.make()) for _ in range(2)]
    await hang.reached()
    hang.withdraw()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(outcome, OSError) for outcome in outcomes) == 1


async def test_calls_are_recorded_with_their_arguments_also_those_that_failed(thing: Thing):
    thing.faults.fail("make", OSError("no"))
    with pytest.raises(OSError, match="no"):
        await thing.make()
    await thing.make()
    await thing.look()
    assert [called.name for called in thing.faults.calls] == ["make", "make", "look"]
    assert thing.faults.calls[1].arguments == (0,)
    assert thing.faults.count("make") == 2


@pytest.mark.parametrize("way", ["fail", "delay", "hang", "count"])
def test_an_unknown_call_is_refused_with_those_there_are(thing: Thing, way: str):
    more: dict[str, tuple[object, ...]] = {"fail": (OSError(),), "delay": (1.0,)}
    with pytest.raises(ValueError, match="there is no call 'mkae'; there are: make, look"):
        getattr(thing.faults, way)("mkae", *more.get(way, ()))
