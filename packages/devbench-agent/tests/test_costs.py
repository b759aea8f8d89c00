"""What the agent may cost; generous bounds, since the machine is shared."""

from __future__ import annotations

import statistics
import time

import pytest

from agent_process import Agent
from agent_wire import Channel

IDLE_BYTES = 2 << 20


def test_idle_it_needs_less_than_two_mebibytes(agent: Agent, host: Channel, instrumented: bool):
    if instrumented:
        pytest.xfail("an instrumented build carries its shadow memory")
    for handle in range(1, 201):
        host.run(handle, ["/bin/true"])
    host.write("f", b"x" * 1_000_000)
    assert agent.rss_bytes() < IDLE_BYTES


def test_a_trivial_command_costs_little_more_than_its_process(host: Channel, instrumented: bool):
    took: list[float] = []
    for handle in range(1, 301):
        began = time.perf_counter()
        host.run(handle, ["/bin/true"])
        took.append(time.perf_counter() - began)
    assert instrumented or statistics.median(took) < 0.006


def test_an_idle_agent_does_not_wake_up(agent: Agent, host: Channel):
    def wakeups() -> int:
        with open(f"/proc/{agent.pid}/status") as status:  # noqa: PTH123 (a kernel file)
            return sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)

    host.list()
    time.sleep(0.3)  # what is measured is that nothing happens
    before = wakeups()
    time.sleep(1)
    assert wakeups() - before <= 2
