"""Whether a host lives is seen by its process."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import attrs

from devbench_core.clock import SystemClock
from devbench_core.containers.instances import Instance, Instances, this_process
from devbench_core.memory.store import MemoryStore
from harness.agent_host import eventually


def status_of(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third on: the state, …, the start time as the 20th."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def host_of(process: subprocess.Popen[bytes]) -> Instance:
    """Describe a process as a host."""
    ours = this_process("i_other", serving=True, now=datetime.now(UTC))
    return attrs.evolve(ours, pid=process.pid, pid_started=status_of(process.pid)[19])


async def test_a_killed_host_is_dead_also_before_its_parent_has_buried_it():
    instances = Instances(MemoryStore(), SystemClock(), dead_after_s=600)
    with subprocess.Popen(["sleep", "600"]) as process:  # noqa: ASYNC220 - it starts at once
        await instances.beat(host_of(process))
        assert await instances.alive("i_other")
        process.kill()
        await eventually(lambda: status_of(process.pid)[0] == "Z")
        assert not await instances.alive("i_other")


async def test_a_stopped_host_lives():
    instances = Instances(MemoryStore(), SystemClock(), dead_after_s=0.001)
    with subprocess.Popen(["sleep", "600"]) as process:  # noqa: ASYNC220 - it starts at once
        await instances.beat(host_of(process))
        process.send_signal(19)
        await eventually(lambda: status_of(process.pid)[0] == "T")
        assert await instances.alive("i_other")
        process.kill()


async def test_a_process_that_was_never_heard_of_is_no_host():
    assert not await Instances(MemoryStore(), SystemClock(), dead_after_s=600).alive("i_nobody")
