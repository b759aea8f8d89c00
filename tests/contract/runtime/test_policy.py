"""Each clause of the policy, seen from inside a container."""

import re
import secrets
from collections.abc import Callable

import attrs
import pytest

from contract.runtime.fixtures import Live, Living, Requests
from contract.runtime.seeing import processes_with, until
from devbench_core.contracts.runtime import AGENT_PATH, SOCKET_FOLDER, Runtime
from devbench_core.model.policy import Clause, Network, Policy

MEBIBYTE = 1024 * 1024
Enforces = Callable[[Clause], None]


@pytest.fixture
def enforces(runtime: Runtime) -> Enforces:
    """Skip where a clause is not enforced; that there is a reason is itself asserted."""

    def check(clause: Clause) -> None:
        if clause not in runtime.capabilities.enforces:
            pytest.skip(f"{clause} is not enforced here: {runtime.capabilities.reasons[clause]}")

    return check


async def status_of(container: Living) -> dict[str, str]:
    """Return /proc/self/status of a command."""
    shown = await container.run("/bin/cat", "/proc/self/status")
    pairs = (line.partition(":") for line in shown.text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


async def shell(container: Living, script: str) -> str:
    return (await container.run("/bin/sh", "-c", script)).text


async def test_every_clause_is_enforced_or_its_absence_explained(runtime: Runtime):
    for clause in Clause:
        enforced = clause in runtime.capabilities.enforces
        explained = bool(runtime.capabilities.reasons.get(clause))
        assert enforced != explained, clause


async def test_no_capability_no_privilege_to_gain_and_a_filter(wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        status = await status_of(container)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


async def test_commands_run_as_the_ordinary_user(wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        status = await status_of(container)
        assert "0" not in status["Uid"].split()
        assert "0" not in status["Gid"].split()
        assert await shell(container, "stat -c %u:%g /workspace") == await shell(
            container, 'echo "$(id -u):$(id -g)"'
        )


async def test_only_workspace_and_tmp_are_written(wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        for place in ("/", "/etc", "/usr", "/bin", "/home", "/root", str(AGENT_PATH.parent)):
            said = await shell(container, f"touch {place}/x 2>&1 || echo refused")
            assert "refused" in said, place
        for place in ("/workspace", "/tmp"):
            assert await shell(container, f"echo it > {place}/x && cat {place}/x") == "it\n"


async def test_programs_run_from_the_workspace_and_from_tmp(wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        for place in ("/workspace", "/tmp"):
            assert (
                await shell(container, f"cp /bin/busybox {place}/busybox && {place}/busybox echo ran")
                == "ran\n"
            )


async def test_tmp_holds_what_the_policy_says_and_no_more(wanted: Requests, live: Live, policy: Policy):
    small = attrs.evolve(policy, tmpfs_bytes=4 * MEBIBYTE)
    async with live(await wanted(policy=small)) as container:
        assert (await container.run("/bin/dd", "if=/dev/zero", "of=/tmp/a", "bs=1M", "count=3")).code == 0
        assert (await container.run("/bin/dd", "if=/dev/zero", "of=/tmp/b", "bs=1M", "count=3")).code != 0


async def test_the_network_is_a_loopback_and_nothing_else(wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        shown = await shell(container, "cat /proc/net/dev")
        assert re.findall(r"^\s*(\w+):", shown, re.MULTILINE) == ["lo"]
        assert "lo" not in (await shell(container, "cat /proc/net/route"))


async def test_the_engines_network_is_there_when_asked_for(wanted: Requests, live: Live, policy: Policy):
    async with live(await wanted(policy=attrs.evolve(policy, network=Network.ENGINE))) as container:
        shown = await shell(container, "cat /proc/net/dev")
        assert set(re.findall(r"^\s*([\w.-]+):", shown, re.MULTILINE)) > {"lo"}


async def test_no_more_processes_than_allowed(
    wanted: Requests, live: Live, enforces: Enforces, policy: Policy
):
    enforces(Clause.PIDS)
    async with live(await wanted(policy=attrs.evolve(policy, pids=24))) as container:
        marker = f"2718.{secrets.randbelow(10**9):09}"
        outcome = await container.run("/bin/sh", "-c", f"for i in $(seq 60); do sleep {marker} & done")
        assert outcome.code != 0
        assert "fork" in outcome.text
        # Those that were forked last may not have executed their program yet.
        started = await until(lambda: processes_with(marker), lambda found: len(found) > 10)
        assert len(started) < 24


async def test_a_command_beyond_the_memory_dies_and_the_container_lives(
    runtime: Runtime, wanted: Requests, live: Live, enforces: Enforces, policy: Policy
):
    enforces(Clause.MEMORY)
    async with live(await wanted(policy=attrs.evolve(policy, memory_bytes=48 * MEBIBYTE))) as container:
        outcome = await container.run("/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
        assert outcome.code == 128 + 9
        assert (await container.run("/bin/echo", "alive")).text == "alive\n"
        assert not (await runtime.inspect(container.ref)).out_of_memory


async def test_processor_time_is_bounded(wanted: Requests, live: Live, enforces: Enforces, policy: Policy):
    enforces(Clause.CPU)
    async with live(await wanted(policy=attrs.evolve(policy, cpus=0.2))) as container:
        outcome = await container.run("/bin/timeout", "2", "/bin/sh", "-c", "while :; do :; done")
        assert 0.02 < outcome.cores < 0.4


async def test_the_socket_folder_is_private_to_the_user(wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        shown = await shell(container, f"stat -c '%a %u' {SOCKET_FOLDER}; id -u")
        mode_and_owner, user = shown.splitlines()
        assert mode_and_owner == f"700 {user}"


async def test_the_agent_is_pid_1_and_cannot_be_changed(wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        assert container.channel.agent.pid == 1
        said = await shell(
            container, f"(echo x > {AGENT_PATH} || rm -f {AGENT_PATH}) 2>&1; echo; kill -9 1; echo on"
        )
        assert said.endswith("on\n")
        assert (await container.run("/bin/echo", "alive")).text == "alive\n"


async def test_environment_and_working_directory_are_as_asked(wanted: Requests, live: Live):
    request = await wanted(env={"GREETING": "hello world", "EMPTY": ""})
    async with live(request) as container:
        shown = await shell(container, 'echo "$GREETING/$EMPTY/${EMPTY+set}"; pwd')
        assert shown == "hello world//set\n/workspace\n"


async def test_another_user_is_who_runs(wanted: Requests, live: Live, policy: Policy):
    async with live(await wanted(policy=attrs.evolve(policy, user="4321:8765"))) as container:
        assert (
            await shell(container, "id -u; id -g; echo x > /workspace/x && echo wrote")
            == "4321\n8765\nwrote\n"
        )


async def test_nothing_of_the_machine_is_seen(wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        shown = await shell(container, "ls /proc | grep '^[0-9]' | wc -l; ls /")
        assert int(shown.split()[0]) < 10
        assert "devbench-engines" not in await shell(container, "cat /proc/1/environ; ls -a /var/tmp 2>&1")
