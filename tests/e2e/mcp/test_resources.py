"""Outputs as resources, on real runtimes, over each transport, in each era."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from mcp import Client, types

from harness.mcp_program import Tools, http_program, over_http

Configure = Callable[..., Path]
Connect = Callable[[Path], AbstractAsyncContextManager[Tools]]
LINES = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done"
TICKS = "i=0; while [ ! -e go ]; do echo $i; i=$((i+1)); sleep 0.05; done; echo over"


@asynccontextmanager
async def updates(client: Client, uri: str) -> AsyncGenerator[asyncio.Event]:
    """Follow a resource in the client's era; the event is set with each update."""
    told = asyncio.Event()
    if client.protocol_version >= "2026-07-28":
        async with client.listen(resource_subscriptions=[uri]) as stream, asyncio.TaskGroup() as group:

            async def collect() -> None:
                async for _ in stream:
                    told.set()

            collecting = group.create_task(collect())
            yield told
            collecting.cancel()
        return

    async def handle(message: Any) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            told.set()

    client.session._message_handler = handle  # pyright: ignore[reportPrivateUsage]
    request = types.SubscribeRequest(params=types.SubscribeRequestParams(uri=uri))
    await client.session.send_request(request, types.EmptyResult)
    yield told


async def text_of(client: Client, uri: str) -> tuple[str, dict[str, Any]]:
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, types.TextResourceContents)
    assert contents.meta is not None
    return contents.text, contents.meta["devbench/output"]


async def test_a_listed_resource_is_the_output_that_polling_gives(configure: Configure, connect: Connect):
    async with connect(configure()) as tools:
        container = (await tools("spawn"))["container"]["id"]
        page = await tools.run(container, "sh", "-c", LINES)
        (listed,) = (await tools.client.list_resources()).resources
        text, facts = await text_of(tools.client, str(listed.uri))
        assert text == "".join(piece["text"] for piece in page["output"])
        assert facts["cursor"] == page["cursor"]
        assert facts["ending"]["exit_code"] == 0


async def follow_to_the_end(client: Client, uri: str, told: asyncio.Event, go: Callable[[], Any]) -> None:
    """Read whenever there is an update; after two of them let the command end."""
    seen, facts = "", dict[str, Any]()
    for number in count(1):
        await told.wait()
        told.clear()
        text, facts = await text_of(client, uri)
        assert text.startswith(seen)
        seen = text
        if facts["ended"]:
            break
        if number == 2:
            await go()
    assert seen.endswith("over\n")


async def test_updates_arrive_until_a_command_has_ended(configure: Configure, connect: Connect):
    async with connect(configure()) as tools, asyncio.timeout(60):
        container = (await tools("spawn"))["container"]["id"]
        await tools("exec_start", container=container, argv=["sh", "-c", TICKS])
        (listed,) = (await tools.client.list_resources()).resources
        go = partial(tools, "fs_write", container=container, path="go", text="")
        async with updates(tools.client, str(listed.uri)) as told:
            await follow_to_the_end(tools.client, str(listed.uri), told, go)


async def test_a_command_of_another_host_is_followed_too(configure: Configure, era: str):
    config = configure()
    async with (
        http_program(config) as first,
        http_program(config) as second,
        over_http(first.url, era) as here,
        over_http(second.url, era) as there,
    ):
        container = (await here("spawn"))["container"]["id"]
        await here("exec_start", container=container, argv=["sh", "-c", TICKS])
        (listed,) = (await there.client.list_resources()).resources
        go = partial(here, "fs_write", container=container, path="go", text="")
        async with asyncio.timeout(60), updates(there.client, str(listed.uri)) as told:
            await follow_to_the_end(there.client, str(listed.uri), told, go)
