"""What a host and its agent hold after ten thousand commands is what they held before."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from harness.agent_host import descendants, eventually, running_agent
from harness.busy_host import AT_ONCE, Held

COMMANDS = 10_000
WARM_UP = 4000  # caches of bounded size, and what SQLite maps of its log, are full then
HOST_GROWTH_BYTES = 4 << 20  # of a hundred MiB: what the allocator keeps differs from run to run
AGENT_GROWTH_BYTES = 128 << 10
KEPT = 2 * AT_ONCE  # processes that an agent keeps for commands to come, each with a descriptor or two
TIMEOUT_S = 600


@pytest.mark.timeout(TIMEOUT_S)
async def test_ten_thousand_commands_leave_memory_descriptors_processes_and_threads_where_they_were(
    tmp_path: Path,
):
    with running_agent(tmp_path) as agent:
        words = [str(agent.socket), agent.token.hex(), str(agent.process.pid), str(tmp_path / "state")]
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "harness.busy_host", *words, str(WARM_UP), str(COMMANDS)),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await program.communicate()
        assert program.returncode == 0
        await eventually(lambda: descendants(agent.process.pid) == [])
    before, after = ([Held(**each) for each in json.loads(line)] for line in said.splitlines())
    (host_before, agent_before), (host_after, agent_after) = before, after
    assert host_after.memory_bytes - host_before.memory_bytes < HOST_GROWTH_BYTES
    assert agent_after.memory_bytes - agent_before.memory_bytes < AGENT_GROWTH_BYTES
    assert host_after.descriptors == host_before.descriptors
    assert agent_after.descriptors <= agent_before.descriptors + 2 * KEPT
    assert (host_after.threads, agent_after.threads) == (host_before.threads, agent_before.threads)
    assert host_after.tasks == host_before.tasks
    assert host_after.children == host_before.children == 0
    assert agent_after.children <= KEPT
