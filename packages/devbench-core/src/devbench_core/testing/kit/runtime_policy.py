"""What a runtime promises of a policy: each clause, seen from inside a container."""

from __future__ import annotations

import re
import secrets

import attrs
import pytest

from devbench_core.contracts.runtime import AGENT_PATH, CreateRequest, Runtime
from devbench_core.model.policy import Clause, Network, Policy
from devbench_core.testing.kit.claims import Claims, Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.runtime_opening import WithRuntime
from devbench_core.testing.living import Live, Living, Requests
from devbench_core.testing.seeing import processes_with, until

MEBIBYTE = 1024 * 1024


async def status_of(container: Living) -> dict[str, str]:
    shown = await container.run("/bin/cat", "/proc/self/status")
    pairs = (line.partition(":") for line in shown.text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


@in_time
@pytest.mark.asyncio
@stated_by(Clause, Policy)
class RuntimePolicyContract(WithRuntime):
    """Each clause of a policy."""

    @needs(Clause.NO_CAPABILITIES)
    async def test_no_capability_is_left(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            status = await status_of(container)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[name], 16) == 0, name

    @needs(Clause.NO_NEW_PRIVILEGES)
    async def test_no_privilege_can_be_gained(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            assert (await status_of(container))["NoNewPrivs"] == "1"

    @needs(Clause.SECCOMP)
    async def test_system_calls_are_filtered(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            assert (await status_of(container))["Seccomp"] == "2"

    @needs(Clause.NON_ROOT)
    async def test_commands_run_as_the_ordinary_user(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            status = await status_of(container)
            assert "0" not in status["Uid"].split()
            assert "0" not in status["Gid"].split()
            owner = await container.shell("stat -c %u:%g /workspace")
            assert owner == await container.shell('echo "$(id -u):$(id -g)"')

    @needs(Clause.NON_ROOT)
    async def test_another_user_is_who_runs(
        self, wanted: Requests, live: Live, policy: Policy, other_user: str | None
    ):
        if other_user is None:
            pytest.skip("no user to run as was given (fixture other_user)")
        async with live(await wanted(policy=attrs.evolve(policy, user=other_user))) as container:
            shown = await container.shell("id -u; id -g; echo x > /workspace/x && echo wrote")
            assert shown.split() == [*other_user.split(":"), "wrote"]

    @needs(Clause.READ_ONLY_ROOT)
    @stated_by(Clause, Policy, CreateRequest)
    async def test_only_workspace_and_tmp_are_written(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            for place in ("/", "/etc", "/usr", "/bin", "/home", "/root", str(AGENT_PATH.parent)):
                said = await container.shell(f"touch {place}/x 2>&1 || echo refused")
                assert "refused" in said, place
            for place in ("/workspace", "/tmp"):
                assert await container.shell(f"echo it > {place}/x && cat {place}/x") == "it\n"

    @needs(Clause.TMPFS_SIZE)
    async def test_tmp_holds_what_the_policy_says_and_no_more(
        self, wanted: Requests, live: Live, policy: Policy
    ):
        small = attrs.evolve(policy, tmpfs_bytes=4 * MEBIBYTE)
        async with live(await wanted(policy=small)) as container:
            assert (await container.run("/bin/dd", "if=/dev/zero", "of=/tmp/a", "bs=1M", "count=3")).code == 0
            assert (await container.run("/bin/dd", "if=/dev/zero", "of=/tmp/b", "bs=1M", "count=3")).code != 0

    @needs(Clause.NETWORK_NONE)
    async def test_the_network_is_a_loopback_and_nothing_else(self, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            shown = await container.shell("cat /proc/net/dev")
            assert re.findall(r"^\s*(\w+):", shown, re.MULTILINE) == ["lo"]
            assert "lo" not in (await container.shell("cat /proc/net/route"))

    @needs(Clause.NETWORK_NONE)
    async def test_the_engines_network_is_there_when_asked_for(
        self, wanted: Requests, live: Live, policy: Policy
    ):
        async with live(await wanted(policy=attrs.evolve(policy, network=Network.ENGINE))) as container:
            shown = await container.shell("cat /proc/net/dev")
            assert set(re.findall(r"^\s*([\w.-]+):", shown, re.MULTILINE)) > {"lo"}

    @needs(Clause.PIDS)
    async def test_no_more_processes_than_allowed(
        self, wanted: Requests, live: Live, policy: Policy, claims: Claims
    ):
        async with live(await wanted(policy=attrs.evolve(policy, pids=24))) as container:
            marker = f"2718.{secrets.randbelow(10**9):09}"
            outcome = await container.run("/bin/sh", "-c", f"for i in $(seq 60); do sleep {marker} & done")
            assert outcome.code != 0
            assert "fork" in outcome.text
            if Trait.SEEN_PROCESSES in claims.traits:
                # Those that were forked last may not have executed their program yet.
                started = await until(lambda: processes_with(marker), lambda found: len(found) > 10)
                assert len(started) < 24

    @needs(Clause.MEMORY)
    async def test_a_command_beyond_the_memory_dies_and_the_container_lives(
        self, runtime: Runtime, wanted: Requests, live: Live, policy: Policy
    ):
        async with live(await wanted(policy=attrs.evolve(policy, memory_bytes=48 * MEBIBYTE))) as container:
            outcome = await container.run("/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
            assert outcome.code == 128 + 9
            assert (await container.run("/bin/echo", "alive")).text == "alive\n"
            assert not (await runtime.inspect(container.ref)).out_of_memory

    @needs(Clause.CPU)
    async def test_processor_time_is_bounded(self, wanted: Requests, live: Live, policy: Policy):
        async with live(await wanted(policy=attrs.evolve(policy, cpus=0.2))) as container:
            outcome = await container.run("/bin/timeout", "2", "/bin/sh", "-c", "while :; do :; done")
            assert 0.02 < outcome.cores < 0.4
