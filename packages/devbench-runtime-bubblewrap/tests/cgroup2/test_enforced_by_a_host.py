"""A whole host with its tools, on version 2."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.containers.requests import PolicyRequest
from devbench_core.model.policy import MEBIBYTE
from devbench_core.testing.seeing import until
from devbench_core.tools.call import call_tool
from harness.control_groups import groups_called

Bench = devbench_core.Bench
SMALL = PolicyRequest(memory_bytes=64 * MEBIBYTE, cpus=0.5, pids=24)


@pytest.fixture
async def bench(folder: Path, tmp_path: Path) -> AsyncGenerator[Bench]:
    """A host with nothing tolerated."""
    config: dict[str, Any] = {
        "runtime": "bubblewrap",
        "store": "memory",
        "state_dir": str(tmp_path / "state"),
        "cache_dir": str(tmp_path / "cache"),
        "plugin": {"bubblewrap": {"folder": str(folder)}},
    }
    async with devbench_core.open(config) as opened:
        yield opened


async def run(bench: Bench, container: str, *argv: str) -> tuple[Any, str]:
    """Run a command to its end; return its ending and all its output."""
    done: Any = (await call_tool(bench, "run", {"container": container, "argv": list(argv)})).structured
    return done["exec"]["ending"], "".join(piece["text"] for piece in done["output"])


async def test_commands_are_bounded_the_host_says_so_and_a_kill_leaves_no_group(bench: Bench):
    status: Any = (await call_tool(bench, "status")).structured
    assert {"memory", "cpu", "pids"} <= set(status["runtime"]["enforces"])
    assert status["runtime"]["absent"] == []
    container = (await bench.containers.spawn(SpawnRequest(policy=SMALL))).container.id
    assert len(groups_called(container)) == 1
    ending, _ = await run(bench, container, "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
    assert (ending["reason"], ending["signal"]) == ("signaled", 9)
    _, said = await run(bench, container, "sh", "-c", "for i in $(seq 40); do sleep 60 & done")
    assert "fork" in said
    await call_tool(bench, "kill", {"container": container})
    assert await until(lambda: not groups_called(container))
