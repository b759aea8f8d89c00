"""Clients of resources in both eras of the protocol, and what they are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2
from mcp import Client, types
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ResourceUpdated

TEAM, STRANGER = "team-token-0123456789", "stranger-0123456789"
TOKENS: list[dict[str, Any]] = [
    {"token": TEAM, "tenant": "team", "subject": "agent"},
    {"token": STRANGER, "tenant": "other", "subject": "agent"},
]


@asynccontextmanager
async def connected(url: str, era: str, token: str = "", **more: Any) -> AsyncGenerator[Client]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=90) as http,
        Client(streamable_http_client(url, http_client=http), mode=era, **more) as client,
    ):
        yield client


async def tool(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return cast("dict[str, Any]", result.structured_content)


async def spawn(client: Client) -> str:
    return str((await tool(client, "spawn"))["container"]["id"])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def subscribe(client: Client, uri: str) -> None:
    """Subscribe as clients of the handshake era do; the official one's own method warns that it is going."""
    request = types.SubscribeRequest(params=types.SubscribeRequestParams(uri=uri))
    await client.session.send_request(request, types.EmptyResult)


async def unsubscribe(client: Client, uri: str) -> None:
    request = types.UnsubscribeRequest(params=types.UnsubscribeRequestParams(uri=uri))
    await client.session.send_request(request, types.EmptyResult)


class Updates:
    """Collects updates of resources, however the client's era brings them."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, str]] = []
        self.options: dict[str, Any] = {"message_handler": self._handle}

    async def _handle(self, message: Any) -> None:
        streamed = isinstance(message, types.ResourceUpdatedNotification) and message.params.meta
        if isinstance(message, types.ResourceUpdatedNotification) and not streamed:
            self.seen.append((time.monotonic(), str(message.params.uri)))

    @asynccontextmanager
    async def following(self, client: Client, *wanted: str) -> AsyncGenerator[list[str]]:
        """Follow resources; yields those that the server agreed to."""
        if client.protocol_version < "2026-07-28":
            for uri in wanted:
                await subscribe(client, uri)
            yield list(wanted)
            for uri in wanted:
                await unsubscribe(client, uri)
            return
        async with client.listen(resource_subscriptions=wanted) as stream, asyncio.TaskGroup() as group:

            async def collect() -> None:
                async for event in stream:
                    assert isinstance(event, ResourceUpdated)
                    self.seen.append((time.monotonic(), event.uri))

            collecting = group.create_task(collect())
            yield list(stream.honored.resource_subscriptions or ())
            collecting.cancel()

    def of(self, uri: str) -> list[float]:
        return [at for at, seen in self.seen if seen == uri]
