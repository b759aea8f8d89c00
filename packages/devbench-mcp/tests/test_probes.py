"""What operators and balancers ask."""

from __future__ import annotations

import httpx2
import pytest
from mcp import Client

from devbench_core.errors import EngineUnreachable
from devbench_core.testing.fake import FakeBench
from devbench_mcp import readiness
from harness.toolbox import Serve

TOKEN = "0123456789abcdef"


async def get(url: str, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.get(url, headers=headers)


async def test_the_host_is_alive_and_ready(serve: Serve):
    async with serve() as served:
        assert (await get(f"{served.base}/healthz")).status_code == 200
        answer = await get(f"{served.base}/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "stopping": False, "store": "ok", "lock": "ok", "runtime": "ok"}


async def test_probes_need_neither_name_nor_token(serve: Serve):
    async with serve(tokens=[{"token": TOKEN}]) as served:
        for path in ("healthz", "readyz"):
            assert (await get(f"{served.base}/{path}", Host="10.0.0.7")).status_code == 200


async def test_a_runtime_that_does_not_answer_makes_it_unready_but_alive(
    serve: Serve, fakes: FakeBench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(readiness, "REMEMBER_S", 0.0)

    async def silent() -> None:
        raise EngineUnreachable("the engine at /run/secret.sock does not answer")

    async with serve() as served:
        monkeypatch.setattr(fakes.runtime, "ping", silent)
        answer = await get(f"{served.base}/readyz")
        assert answer.status_code == 503
        assert answer.json()["runtime"] == "engine_unreachable"
        assert "secret" not in answer.text
        assert (await get(f"{served.base}/healthz")).status_code == 200
        monkeypatch.undo()
        monkeypatch.setattr(readiness, "REMEMBER_S", 0.0)
        assert (await get(f"{served.base}/readyz")).status_code == 200


async def test_a_runtime_that_hangs_makes_it_unready_in_time(
    serve: Serve, fakes: FakeBench, monkeypatch: pytest.MonkeyPatch
):
    import asyncio

    async def hang() -> None:
        await asyncio.Event().wait()

    async with serve(probe_timeout_s=0.2) as served:
        monkeypatch.setattr(fakes.runtime, "ping", hang)
        answer = await asyncio.wait_for(get(f"{served.base}/readyz"), 5)
    assert answer.status_code == 503
    assert answer.json()["runtime"] == "timeout"


async def test_metrics_count_tool_calls(serve: Serve):
    async with serve() as served:
        async with Client(served.url) as client:
            await client.call_tool("acme_echo", {"text": "x"})
            await client.call_tool("acme_busy", {})
        answer = await get(f"{served.base}/metrics")
    assert answer.status_code == 200
    assert 'devbench_tool_calls_total{code="ok",tool="acme_echo"}' in answer.text
    assert 'devbench_tool_calls_total{code="concurrency_limit",tool="acme_busy"}' in answer.text


async def test_metrics_need_the_token_when_there_is_one(serve: Serve):
    async with serve(tokens=[{"token": TOKEN}]) as served:
        assert (await get(f"{served.base}/metrics")).status_code == 401
        assert (await get(f"{served.base}/metrics", Authorization=f"Bearer {TOKEN}")).status_code == 200
