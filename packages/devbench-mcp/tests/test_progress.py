"""Progress of waits, as clients of both eras see it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp import Client

from harness.toolbox import Serve

TICKS = ["sh", "-c", "i=0; while [ ! -e go ]; do echo tick $i; i=$((i+1)); sleep 0.01; done"]
WAITS: list[tuple[str, dict[str, Any]]] = [
    ("run", {"argv": TICKS}),
    ("exec_wait", {}),
    ("exec_poll", {"until": "end", "max_bytes": 98304}),
]


@pytest.mark.parametrize(("tool", "arguments"), WAITS, ids=[tool for tool, _ in WAITS])
async def test_a_wait_tells_the_last_line_at_a_bounded_rate_and_nothing_after_its_answer(
    serve: Serve, era: str, tool: str, arguments: dict[str, Any]
):
    told: list[tuple[float, float | None, str | None]] = []

    async with serve() as served, Client(served.url, mode=era) as client:
        container = (await client.call_tool("spawn", {})).structured_content["container"]["id"]

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            told.append((progress, total, message))
            if len(told) == 3:
                await client.call_tool("fs_write", {"container": container, "path": "go", "text": ""})

        if tool == "run":
            named = {"container": container}
        else:
            started = await client.call_tool("exec_start", {"container": container, "argv": TICKS})
            named = {"exec_id": started.structured_content["exec"]["id"]}
        async with asyncio.timeout(30):
            result = await client.call_tool(
                tool, {**named, **arguments, "wait_s": 25}, progress_callback=on_progress
            )
        assert result.structured_content["ended"] is True
        count = len(told)
        await client.call_tool("status", {})
        assert len(told) == count
    assert count >= 3
    assert all(total == 25 and (message or "").startswith("tick ") for _, total, message in told)
    assert told[-1][0] >= 0.45 * (count - 1)
