"""A whole host of an ordinary user whose control group is root's."""

from pathlib import Path
from typing import Any

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import NotEnforced
from devbench_core.tools.call import call_tool

LIMITS = ["cpu", "memory", "pids"]


def config(folder: Path, *tolerated: str) -> dict[str, Any]:
    return {
        "runtime": "bubblewrap",
        "store": "memory",
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "policy": {"tolerate_absent": list(tolerated)},
    }


@pytest.mark.parametrize("tolerated", [(), ("memory", "pids")])
async def test_a_spawn_is_refused_and_names_each_clause_that_must_hold(
    tmp_path: Path, tolerated: tuple[str, ...]
):
    async with devbench_core.open(config(tmp_path, *tolerated)) as bench:
        with pytest.raises(NotEnforced) as caught:
            await bench.containers.spawn(SpawnRequest())
        required = [clause for clause in LIMITS if clause not in tolerated]
        assert caught.value.details["clauses"] == required
        assert all(f"{clause}: no control group" in caught.value.message for clause in required)
        assert "policy.tolerate_absent" in caught.value.hint
        assert (await bench.containers.list()).containers == ()


async def test_what_may_be_absent_starts_and_both_record_and_status_say_so(tmp_path: Path):
    async with devbench_core.open(config(tmp_path, *LIMITS)) as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container
        policy = container.spec.policy
        assert (policy.memory_bytes, policy.cpus, policy.pids) == (None, None, None)
        done: Any = await call_tool(bench, "run", {"container": container.id, "argv": ["echo", "started"]})
        assert [piece["text"] for piece in done.structured["output"]] == ["started\n"]
        runtime: Any = (await call_tool(bench, "status")).structured["runtime"]
        assert [(each["clause"], each["tolerated"]) for each in runtime["absent"]] == [
            (clause, True) for clause in LIMITS
        ]
        assert all("Delegate=yes" in each["reason"] for each in runtime["absent"])
