"""Warm pools from the command line: what a serving host keeps is shown, and a short command gets one of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.pools import records
from devbench_core.testing.fake.bench import SELDOM_S

POOLS = {
    "warm": {"lab": {"floor": 2}, "broken": {"image": "nowhere"}},
    "check_interval_s": SELDOM_S,
    "claim_timeout_s": 30.0,
}


@pytest.mark.parametrize("each_cli", ["bubblewrap"], indirect=True)
async def test_pools_are_shown_and_a_spawn_from_the_command_line_gets_what_waits(
    each_cli: Any, tmp_path: Path
):
    config = tmp_path / "devbench.toml"
    config.write_text(
        "[pools]\nclaim_timeout_s = 30.0\n"
        "[pools.warm.lab]\nfloor = 2\n"
        "[pools.warm.broken]\nimage = 'nowhere'\n"
    )

    async def said(*arguments: str) -> str:
        return await asyncio.to_thread(each_cli.ok, "--config", str(config), *arguments)

    folders = {name: each_cli.environment[f"DEVBENCH_{name.upper()}"] for name in ("state_dir", "cache_dir")}
    async with devbench_core.open({"runtime": "bubblewrap", "pools": POOLS, **folders}) as bench:
        for _ in range(2):
            await bench.pools.tend()
            await bench.pools.settle()
        await bench.pools.tend()
        ready = {warm.id async for warm in records.listed(bench.store)}
        broken, lab = json.loads(await said("pools", "--json"))["pools"]
        assert (broken["name"], broken["ready"], broken["failures"]) == ("broken", 0, 1)
        assert (lab["name"], lab["ready"], lab["wanted"], lab["failures"]) == ("lab", 2, 2, 0)
        text = await said("pools")
        assert "broken: failed 1 times" in text
        assert "nowhere" in text
        spawned = json.loads(await said("spawn", "--json"))["container"]["id"]
        assert spawned in ready
        await said("kill", spawned)
    broken, lab = json.loads(await said("pools", "--json"))["pools"]
    assert (broken["ready"], lab["ready"], lab["making"], lab["leaving"]) == (0, 0, 0, 0)


@pytest.mark.parametrize("each_cli", ["bubblewrap"], indirect=True)
def test_without_pools_it_says_where_they_are_configured(each_cli: Any):
    assert "[pools.warm]" in each_cli.ok("pools")
