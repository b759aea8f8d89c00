"""A call that takes long shows that its host is there."""

from __future__ import annotations

from contextlib import AsyncExitStack

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from devbench_core.model.keepalive import KEEP_ALIVE_HEADER
from harness.mcp_program import Tools
from harness.toolbox import Serve

FOREVER = ["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done"]
EVERY_S, SILENCE_S, LONG_S = 0.2, 1.0, 3.0


async def test_a_long_call_is_never_silent_and_its_answer_comes_whole(serve: Serve, era: str):
    heads: list[str | None] = []

    async def seen(answer: httpx2.Response) -> None:
        heads.append(answer.headers.get(KEEP_ALIVE_HEADER))

    async with serve(keep_alive_s=EVERY_S) as served, AsyncExitStack() as stack:
        http = httpx2.AsyncClient(timeout=SILENCE_S, event_hooks={"response": [seen]})
        await stack.enter_async_context(http)
        transport = streamable_http_client(served.url, http_client=http)
        tools = Tools(await stack.enter_async_context(Client(transport, mode=era)))
        box = (await tools("spawn"))["container"]["id"]
        started = (await tools("exec_start", container=box, argv=FOREVER))["exec"]["id"]
        waited = await tools("exec_wait", exec_id=started, wait_s=LONG_S)
        assert (waited["ended"], waited["exec"]["id"]) == (False, started)
        error = await tools.error("exec_wait", exec_id="exec_none", wait_s=0)
        assert error["code"] in {"exec_not_found", "validation"}
    assert set(heads) == {f"{EVERY_S:g}"}


async def test_an_answer_that_comes_at_once_is_as_it_was(serve: Serve):
    async with serve(keep_alive_s=0.1) as served, httpx2.AsyncClient() as http:
        answer = await http.post(served.url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        assert answer.status_code == 400
        assert answer.headers[KEEP_ALIVE_HEADER] == "0.1"
