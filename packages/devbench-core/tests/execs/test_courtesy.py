"""Streams let commands go first that begin or end, for a bounded time."""

import asyncio

from devbench_core.execs.courtesy import PATIENCE_S, Courtesy


async def test_a_stream_does_not_wait_when_nobody_is_in_haste():
    courtesy = Courtesy()
    courtesy.come()
    courtesy.gone()
    waiting = asyncio.ensure_future(courtesy.give_way())
    await asyncio.sleep(0)
    assert waiting.done()


async def test_a_stream_waits_until_the_last_of_several_is_through():
    courtesy = Courtesy()
    courtesy.come()
    courtesy.come()
    waiting = asyncio.ensure_future(courtesy.give_way())
    courtesy.gone()
    await asyncio.sleep(0)
    assert not waiting.done()
    courtesy.gone()
    begun = asyncio.get_running_loop().time()
    await waiting
    assert asyncio.get_running_loop().time() - begun < PATIENCE_S


async def test_a_stream_waits_no_longer_than_its_patience():
    courtesy = Courtesy()
    courtesy.come()
    async with asyncio.timeout(100 * PATIENCE_S):
        await courtesy.give_way()
