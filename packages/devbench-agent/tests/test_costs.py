"""What the agent may cost; generous bounds, since the machine is shared."""

from __future__ import annotations

import statistics
import subprocess
import time

import pytest

from agent_process import Agent, rss_bytes
from agent_wire import Channel

IDLE_BYTES = 2 << 20


def test_idle_it_needs_less_than_two_mebibytes(agent: Agent, host: Channel, instrumented: bool):
    if instrumented:
        pytest.xfail("an instrumented build carries its shadow memory")
    for handle in range(1, 201):
        host.run(handle, ["/bin/true"])
    for handle in range(201, 211):
        host.start(handle, ["sleep", "0.1"])
    for handle in range(201, 211):
        host.finish(host.runs[handle])
    host.write("f", b"x" * 1_000_000)
    together = agent.rss_bytes() + sum(rss_bytes(keeper) for keeper in agent.children())
    assert together < IDLE_BYTES, "with the keepers that wait, although they share most of their pages"


def test_a_trivial_command_costs_little_more_than_its_process(host: Channel, instrumented: bool):
    through_agent: list[float] = []
    by_itself: list[float] = []
    for handle in range(1, 201):
        began = time.perf_counter()
        host.run(handle, ["/bin/true"])
        between = time.perf_counter()
        subprocess.run(["/bin/true"], check=True)
        through_agent.append(between - began)
        by_itself.append(time.perf_counter() - between)
    assert instrumented or statistics.median(through_agent) < 2.5 * statistics.median(by_itself) + 0.001


def test_an_idle_agent_does_not_wake_up(agent: Agent, host: Channel):
    def wakeups() -> int:
        with open(f"/proc/{agent.pid}/status") as status:  # noqa: PTH123 (a kernel file)
            return sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)

    host.list()
    time.sleep(0.3)  # what is measured is that nothing happens
    before = wakeups()
    time.sleep(1)
    assert wakeups() - before <= 2
