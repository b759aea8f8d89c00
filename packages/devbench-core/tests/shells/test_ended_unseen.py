"""Shells that ended while nobody looked."""

from __future__ import annotations

import pytest

from devbench_core.execs.settings import ExecLimits
from devbench_core.memory.store import MemoryStore
from devbench_core.model.shell import RunReason, ShellState
from devbench_core.testing.fake import FakeClock
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, eventually, open_host

from .conftest import QUICK, User

DAY_S = 86400.0
LIMITS = ExecLimits(retain_s=DAY_S, purged_retain_s=2 * DAY_S)


async def purge(host: Host, clock: FakeClock, *, forgotten: bool) -> None:
    """Purge all ended commands; also the knowledge that they were."""
    for _ in range(2 if forgotten else 1):
        clock.pass_s(2 * DAY_S + 1)
        for _ in range(4):
            await host.execs.sweep()


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_dead_shell_whose_command_was_purged_has_ended_and_is_in_nobodys_way(
    local_agent: LocalAgent, *, forgotten: bool
):
    clock = FakeClock()
    async with open_host(
        local_agent.connect, local_agent.token, clock=clock, exec_limits=LIMITS, shell_limits=QUICK
    ) as host:
        dead = await host.shells.open(CONTAINER_ID)
        await host.execs.signal(dead.id, "KILL")
        await eventually(lambda: host.execs.running_here == 0)
        await purge(host, clock, forgotten=forgotten)
        assert await host.shells.list(CONTAINER_ID) == ()
        assert (await host.shells.close(dead.id)).state is ShellState.ENDED
        user = User(host=host, shell=await host.shells.open(CONTAINER_ID))
        assert (await user.run("echo on")).out == b"on\n"
        assert (await host.shells.get(dead.id)).state is ShellState.ENDED


@pytest.mark.parametrize("purged", [False, True])
@pytest.mark.parametrize(
    ("script", "reason", "code"),
    [("exit 3", RunReason.SHELL_ENDED, 3), ("(exit 4)", RunReason.EXITED, 4)],
)
async def test_a_run_of_a_dead_host_in_a_shell_that_ended_meanwhile_has_its_ending(
    local_agent: LocalAgent, script: str, reason: RunReason, code: int, *, purged: bool
):
    store, clock = MemoryStore(), FakeClock()
    async with open_host(local_agent.connect, local_agent.token, store=store, shell_limits=QUICK) as first:
        shell = await first.shells.open(CONTAINER_ID)
        begun = await first.shells.run(shell.id, f"echo one; until [ -e go ]; do sleep 0.02; done; {script}")
        assert (await first.shells.poll(shell.id, after=begun.after, run=begun.number, wait_s=10)).chunks
    async with open_host(
        local_agent.connect,
        local_agent.token,
        claim=False,
        store=store,
        instance="i_second",
        exec_limits=LIMITS,
        shell_limits=QUICK,
        clock=clock,
    ) as second:
        second.dead.add("i_first")
        await second.execs.recover(second.container)
        (local_agent.workspace / "go").touch()
        if reason is RunReason.EXITED:
            await said(second, shell.id)
            await second.execs.signal(shell.id, "KILL")
        await eventually(lambda: second.execs.running_here == 0)
        if purged:
            await purge(second, clock, forgotten=False)
        user = User(host=second, shell=await second.shells.get(shell.id))
        assert user.shell.state is ShellState.ENDED
        run = user.shell.runs[-1]
        assert run.ended_at is not None
        if purged:
            assert (run.reason, run.exit_code, run.shell_kept) == (RunReason.SHELL_ENDED, None, False)
        else:
            ran = await user.rest(begun)
            assert (ran.out, ran.run.reason, ran.run.exit_code) == (b"one\n", reason, code)


async def said(host: Host, shell_id: str) -> None:
    """Wait until the shell has reported the end of its run."""
    cursor, seen = 0, b""
    while seen.count(b".\n") < 2:
        page = await host.execs.poll(shell_id, after=cursor, wait_s=10)
        assert page.chunks
        seen += b"".join(chunk.data for chunk in page.chunks if chunk.stream.name == "SIDE")
        cursor = page.cursor
