"""A client that listens and reads slowly costs one word for each thing that it follows."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from mcp import types

from devbench_mcp.resources.listening import Listening


class Client:
    """Takes words one by one, when it likes."""

    def __init__(self) -> None:
        self.takes = asyncio.Semaphore(0)
        self.taken: list[tuple[str, dict[str, Any]]] = []

    async def send_notification(self, word: Any, related_request_id: object = None) -> None:
        await self.takes.acquire()
        self.taken.append((word.method, word.params))
        assert related_request_id == 7


async def test_of_several_words_about_one_thing_a_slow_client_gets_the_newest_and_then_the_end():
    client, stream = Client(), Listening()
    context = cast("Any", SimpleNamespace(request_id=7, session=client))
    serving = asyncio.create_task(stream.serve(context, types.SubscriptionFilter()))
    for number in range(1000):
        stream.put("task", "notifications/tasks", {"number": number})
        stream.put("other", "notifications/resources/updated", {"uri": "x"})
    stream.close()
    for _ in range(3):
        client.takes.release()
    result = await asyncio.wait_for(serving, 10)
    assert [method for method, _ in client.taken] == [
        "notifications/subscriptions/acknowledged",
        "notifications/tasks",
        "notifications/resources/updated",
    ]
    assert client.taken[1][1]["number"] == 999
    assert result.meta == {"io.modelcontextprotocol/subscriptionId": 7}
    assert all(params["_meta"] == result.meta for _, params in client.taken)
