"""Limits that control groups keep, seen from inside and outside."""

import time

import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import AgentProgram
from devbench_core.model.policy import MEBIBYTE, Clause, Policy
from devbench_core.testing.living import Live, Requests
from devbench_core.testing.seeing import until
from devbench_runtime_bubblewrap.opening import open_bubblewrap
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime
from devbench_runtime_bubblewrap.settings import BubblewrapSettings
from harness.control_groups import groups_called, limits_expected

needs_groups = pytest.mark.skipif(
    not limits_expected(), reason="as root or in a delegated group only: this run has no groups of its own"
)


@needs_groups
def test_with_groups_of_our_own_all_limits_are_enforced(runtime: BubblewrapRuntime):
    assert runtime.capabilities.enforces == set(Clause) - {Clause.EXEC_USERS}
    assert set(runtime.capabilities.reasons) == {Clause.EXEC_USERS}


@needs_groups
async def test_a_command_beyond_the_memory_is_killed_and_the_container_lives(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests, policy: Policy
):
    small = attrs.evolve(policy, memory_bytes=64 * MEBIBYTE)
    async with live(await wanted(policy=small)) as container:
        outcome = await container.run("/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1")
        assert outcome.code == 137
        assert (await container.run("/bin/echo", "here")).text == "here\n"
        assert not (await runtime.inspect(container.ref)).out_of_memory
        assert runtime.groups.out_of_memory(container.ref)


@needs_groups
async def test_processes_are_counted(live: Live, wanted: Requests, policy: Policy):
    few = attrs.evolve(policy, pids=12)
    bomb = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 60 & done; wait"
    async with live(await wanted(policy=few)) as container:
        outcome = await container.run("/bin/sh", "-c", bomb)
    assert "fork" in outcome.text


@needs_groups
async def test_processor_time_is_shared_out(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests, policy: Policy
):
    slow = attrs.evolve(policy, cpus=0.2)
    async with live(await wanted(policy=slow)) as container:
        before, begun = await runtime.stats(container.ref), time.monotonic()
        await container.run("/usr/bin/timeout", "2", "/bin/sh", "-c", "while :; do :; done")
        after, wall_s = await runtime.stats(container.ref), time.monotonic() - begun
    assert before.cpu_s is not None
    assert after.cpu_s is not None
    assert after.cpu_s - before.cpu_s < 0.2 * wall_s + 0.2


@needs_groups
async def test_what_is_used_can_be_asked(runtime: BubblewrapRuntime, live: Live, wanted: Requests):
    async with live(await wanted()) as container:
        stats = await runtime.stats(container.ref)
    assert stats.pids == 1
    assert stats.memory_bytes is not None
    assert stats.memory_bytes < 8 * MEBIBYTE


@needs_groups
async def test_no_group_is_left_after_the_last_container(
    settings: BubblewrapSettings, context: OpenContext, agent: AgentProgram
):
    async with open_bubblewrap(settings, context) as opened:
        places = {place.group for place in opened.groups.places}
        assert places
        assert set(groups_called(context.installation)) == places
    assert await until(lambda: not groups_called(context.installation))


@needs_groups
async def test_another_host_that_closes_takes_no_group_away(
    runtime: BubblewrapRuntime,
    settings: BubblewrapSettings,
    context: OpenContext,
    live: Live,
    wanted: Requests,
):
    async with open_bubblewrap(settings, context):
        pass
    async with live(await wanted()) as container:
        assert (await runtime.stats(container.ref)).pids == 1
    async with open_bubblewrap(settings, context):
        pass
    assert (await runtime.stats(container.ref)).pids == 1


async def test_without_control_groups_the_clauses_are_named_with_a_reason(
    settings: BubblewrapSettings, context: OpenContext
):
    off = settings.model_copy(update={"cgroups": False})
    async with open_bubblewrap(off, context) as opened:
        missing = set(Clause) - opened.capabilities.enforces
        assert missing == {Clause.MEMORY, Clause.CPU, Clause.PIDS, Clause.EXEC_USERS}
        assert set(opened.capabilities.reasons) == missing
        assert "plugin.bubblewrap.cgroups" in opened.capabilities.reasons[Clause.MEMORY]


@pytest.mark.skipif(limits_expected(), reason="without groups of our own only")
def test_an_ordinary_user_reads_what_would_help(runtime: BubblewrapRuntime):
    missing = set(Clause) - runtime.capabilities.enforces - {Clause.EXEC_USERS}
    assert missing == {Clause.MEMORY, Clause.CPU, Clause.PIDS}
    for clause in missing:
        assert "Delegate=yes" in runtime.capabilities.reasons[clause]
