"""A host that is asked to stop does so in time, whatever clients hold open."""

from __future__ import annotations

import asyncio

import httpx2
from mcp import Client, MCPError

from harness.toolbox import Serve, Toolbox

GRACE_S = 3.0
LONG_GRACE_S = 10.0
"""What need not be waited for; the half of it is time enough on a busy machine."""


async def test_an_idle_host_stops_at_once(serve: Serve):
    async with serve(grace_s=LONG_GRACE_S) as served:
        served.stopping.set()
        await asyncio.wait_for(served.stopped.wait(), LONG_GRACE_S / 2)


async def test_clients_of_both_eras_that_stay_connected_do_not_delay_it(serve: Serve):
    async with (
        serve(grace_s=LONG_GRACE_S) as served,
        Client(served.url, mode="legacy") as legacy,  # holds a listening stream open
        Client(served.url) as modern,
    ):
        await legacy.list_tools()
        await modern.list_tools()
        served.stopping.set()
        await asyncio.wait_for(served.stopped.wait(), LONG_GRACE_S / 2)


async def test_an_open_subscription_ends_and_does_not_delay_it(serve: Serve):
    async with (
        serve(grace_s=LONG_GRACE_S) as served,
        Client(served.url) as client,
        asyncio.TaskGroup() as group,
    ):
        listening = asyncio.Event()

        async def listen() -> None:
            async with client.listen(tools_list_changed=True) as subscription:
                listening.set()
                async for _ in subscription:
                    pass

        group.create_task(listen())
        await asyncio.wait_for(listening.wait(), 10)
        served.stopping.set()
        await asyncio.wait_for(served.stopped.wait(), LONG_GRACE_S / 2)


async def test_a_call_that_never_ends_is_cut_off_within_the_grace(serve: Serve, era: str, toolbox: Toolbox):
    failed = asyncio.Event()

    async def call(url: str) -> None:
        try:
            async with Client(url, mode=era) as client:
                await client.call_tool("acme_wait", {}, read_timeout_seconds=5)
        except* (MCPError, httpx2.HTTPError):
            failed.set()

    async with serve(grace_s=GRACE_S) as served, asyncio.TaskGroup() as group:
        group.create_task(call(served.url))
        await asyncio.wait_for(toolbox.waiting.wait(), 10)
        served.stopping.set()
        await asyncio.wait_for(served.stopped.wait(), GRACE_S)
        assert toolbox.cancelled.is_set()
    assert failed.is_set()
