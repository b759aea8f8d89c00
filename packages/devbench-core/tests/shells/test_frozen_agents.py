"""Shells whose agent is there and does nothing: nobody waits for it without end."""

from __future__ import annotations

import time

import pytest

from devbench_core.errors import TimedOut
from devbench_core.execs.settings import ExecLimits
from devbench_core.model.shell import RunReason, ShellState
from devbench_core.shells.settings import ShellLimits
from devbench_core.testing.fake import FakeClock
from harness.agent_host import CONTAINER_ID, LocalAgent, eventually, frozen, open_host

from .conftest import User

SHORT = ExecLimits(grace_s=0.1, cancel_timeout_s=0.3)
HASTY = ShellLimits(interrupt_grace_s=0.1, open_timeout_s=10.0)
BOUND_S = 0.8  # all four graces, and the end of a command


async def test_a_cancel_does_not_wait_for_a_frozen_agent_without_end(local_agent: LocalAgent):
    async with open_host(
        local_agent.connect, local_agent.token, exec_limits=SHORT, shell_limits=HASTY
    ) as host:
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        begun = await host.shells.run(user.shell.id, "echo begun; sleep 300")
        assert (await host.shells.poll(user.shell.id, after=begun.after, run=begun.number, wait_s=10)).chunks
        with frozen(local_agent):
            since = time.monotonic()
            with pytest.raises(TimedOut) as refused:
                await host.shells.cancel(user.shell.id)
            assert BOUND_S <= time.monotonic() - since < BOUND_S + 5
            assert refused.value.details == {"limit": BOUND_S, "setting": "shells.interrupt_grace_s"}
            assert (await user.again()).state is ShellState.RUNNING
        assert (await user.rest(begun)).run.reason is RunReason.CANCELLED


async def test_the_sweep_waits_for_no_frozen_agent(local_agent: LocalAgent):
    clock = FakeClock()
    async with open_host(local_agent.connect, local_agent.token, shell_limits=HASTY, clock=clock) as host:
        for _ in range(2):
            await host.shells.open(CONTAINER_ID)
        clock.pass_s(HASTY.idle_s)
        with frozen(local_agent):
            since = time.monotonic()
            await host.shells.sweep()
            assert time.monotonic() - since < 10.0  # a cancel would wait 17 s for each
        await eventually(lambda: host.execs.running_here == 0)
        await host.shells.sweep()
        assert await host.shells.list(CONTAINER_ID) == ()
        assert [event.fields["why"] for event in host.told("shell.closed")] == ["idle", "idle"]
