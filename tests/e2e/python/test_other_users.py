"""Commands as other users where a runtime has them: over hosts that die, through the engine alone, and at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from typing import Any

import pytest

import devbench_core
from devbench_core.bench import Bench
from devbench_core.containers import SpawnRequest
from devbench_core.containers.guest_records import KIND, Guest, save
from devbench_core.containers.requests import PolicyRequest
from devbench_core.contracts.powers import SupportsPause
from devbench_core.contracts.runtime import guest_socket
from devbench_core.errors import AgentUnavailable, ConcurrencyLimit
from devbench_core.model.execution import Exec, ExecReason, ExecRequest, SignalScope, StreamName
from devbench_core.model.shell import ShellKind
from harness.processes import running, with_word

OTHER = "4242:4343"
HOST_TIMEOUT_S = 60
WAIT_S = 30.0
LOOK_EVERY_S = 0.05
COUNT = (
    "for p in $(cd /proc; grep -sl '^devbench-agent$' [0-9]*/comm); do "
    "tr '\\0' ' ' < /proc/${p%/comm}/cmdline; echo; done"
)
KILL_OWN = (
    "for p in $(cd /proc; grep -sl '^devbench-agent$' [0-9]*/comm); do kill -9 ${p%/comm} 2> /dev/null; done; "
    "sleep 60"
)
STOP_OWN = (
    "sleep 0.5; for p in $(cd /proc; grep -sl '^devbench-agent$' [0-9]*/comm); do "
    "kill -STOP ${p%/comm} 2> /dev/null; done; sleep 60"
)
SCRIPT = "n=0; while [ $n -lt 100000 ]; do n=$((n+1)); echo $n; [ -e /tmp/stop ] && exit 7; sleep 0.01; done"
DIES = """
import asyncio, json, os, sys
import devbench_core
from devbench_core.model.execution import ExecRequest

async def main():
    config, container, user, script = json.loads(sys.argv[1])
    async with devbench_core.open(config) as bench:
        command = await bench.execs.start(container, ExecRequest(argv=("sh", "-c", script), user=user))
        page = await bench.execs.poll(command.id, wait_s=30)
        assert page.chunks
        print(command.id, flush=True)
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    """As the others', where the runtime has users."""
    if config["runtime"] == "bubblewrap":
        pytest.skip("a container of bubblewrap has one user")
    return config


async def spawn(bench: Bench, *users: str) -> str:
    wanted = PolicyRequest(exec_users=users or (OTHER,))
    return (await bench.containers.spawn(SpawnRequest(policy=wanted, persistent=True))).container.id


async def run(bench: Bench, container: str, script: str, user: str | None = OTHER) -> tuple[Exec, str]:
    """Run a script to its end; return its record and what it wrote to stdout."""
    request = ExecRequest(argv=("sh", "-c", script), user=user)
    ended = await bench.execs.wait((await bench.execs.start(container, request)).id, wait_s=WAIT_S)
    process = await bench.execs.process(ended.id)
    chunks = [chunk async for chunk in process.output()]
    return ended, b"".join(each.data for each in chunks if each.stream is StreamName.STDOUT).decode()


async def guests(bench: Bench, container: str) -> int:
    _, shown = await run(bench, container, COUNT, user=None)
    return sum(" --guest " in line for line in shown.splitlines())


def live_and_die(config: dict[str, Any], container: str) -> str:
    """Let a host start a command, see some of its output, and be killed; return the command's id."""
    told = json.dumps([config, container, OTHER, SCRIPT])
    host = subprocess.run(
        [sys.executable, "-c", DIES, told], capture_output=True, timeout=HOST_TIMEOUT_S, check=False
    )
    assert host.returncode == -signal.SIGKILL, host.stderr.decode()
    return host.stdout.decode().strip()


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.loop_may_stall("waits for a host")
async def test_a_killed_host_loses_nothing_and_the_next_goes_on_with_the_same_agent(
    config: dict[str, Any], direct: bool
):
    config["plugin"][config["runtime"]]["direct"] = direct
    async with devbench_core.open(config) as bench:
        container = await spawn(bench)
    command = live_and_die(config, container)
    async with devbench_core.open(config) as bench:
        assert (await bench.execs.get(command)).user == OTHER
        _, _ = await run(bench, container, "touch /tmp/stop")
        assert await guests(bench, container) == 1
        ended = await bench.execs.wait(command, wait_s=WAIT_S)
        assert ended.ending is not None
        assert (ended.ending.reason, ended.ending.exit_code) == (ExecReason.EXITED, 7)
        process = await bench.execs.process(command)
        lines = b"".join([chunk.data async for chunk in process.output()]).split()
        assert [int(line) for line in lines] == list(range(1, len(lines) + 1))
        await bench.containers.kill(container)


async def test_two_hosts_at_once_start_exactly_one_agent(config: dict[str, Any]):
    async with devbench_core.open(config) as one, devbench_core.open(config) as two:
        container = await spawn(one)
        done = await asyncio.gather(
            *(run(bench, container, "id -u; id -g") for bench in (one, two, one, two))
        )
        assert {said for _, said in done} == {"4242\n4343\n"}
        assert await guests(one, container) == 1
        await one.containers.kill(container)


async def test_a_host_finds_the_agent_that_another_one_started_in_place_of_its_own(config: dict[str, Any]):
    async with devbench_core.open(config) as one, devbench_core.open(config) as two:
        container = await spawn(one)
        for bench in (one, two):
            assert (await run(bench, container, "id -u"))[1] == "4242\n"
        waiting = await one.execs.start(container, ExecRequest(argv=("sleep", "1000"), user=OTHER))
        ended, _ = await run(two, container, KILL_OWN)
        assert ended.ending is not None
        assert ended.ending.reason is ExecReason.LOST
        for bench in (two, one):
            assert (await run(bench, container, "id -u"))[1] == "4242\n"
        assert await guests(one, container) == 1
        lost = await one.execs.wait(waiting.id, wait_s=WAIT_S)
        assert lost.ending is not None
        assert lost.ending.reason is ExecReason.LOST
        await one.containers.kill(container)


async def test_a_command_whose_agent_died_while_no_host_lived_is_lost_and_says_so(config: dict[str, Any]):
    user = str(100_000 + secrets.randbelow(1_000_000_000))
    async with devbench_core.open(config) as bench:
        container = await spawn(bench, user)
        later = ("sh", "-c", f"until [ -e /tmp/now ]; do sleep 0.1; done; {KILL_OWN}")
        command = await bench.execs.start(container, ExecRequest(argv=later, user=user))
        touch = ("sh", "-c", "sleep 1; touch /tmp/now")
        await bench.execs.start(container, ExecRequest(argv=touch))
    async with asyncio.timeout(WAIT_S):
        while running(str(guest_socket(int(user)))):
            await asyncio.sleep(LOOK_EVERY_S)
    async with devbench_core.open(config) as bench:
        ended = await bench.execs.wait(command.id, wait_s=WAIT_S)
        assert ended.ending is not None
        assert ended.ending.reason is ExecReason.LOST
        assert f"user {user}:{user}" in ended.ending.message
        assert (await run(bench, container, "id -u", user=user))[1] == f"{user}\n"
        await bench.containers.kill(container)


async def test_another_host_signals_and_cancels_a_command_of_this_one(config: dict[str, Any]):
    async with devbench_core.open(config) as one, devbench_core.open(config) as two:
        container = await spawn(one)
        request = ExecRequest(
            argv=("sh", "-c", "trap 'echo got' USR1; echo on; while :; do sleep 0.1; done"), user=OTHER
        )
        command = await one.execs.start(container, request)
        page = await one.execs.poll(command.id, wait_s=WAIT_S)
        assert page.chunks[0].data == b"on\n"
        assert await two.execs.signal(command.id, "USR1", scope=SignalScope.LEADER)
        page = await one.execs.poll(command.id, after=page.cursor, wait_s=WAIT_S)
        assert page.chunks[0].data == b"got\n"
        ended = await two.execs.cancel(command.id)
        assert ended.ending is not None
        assert ended.ending.reason is ExecReason.CANCELLED
        await one.containers.kill(container)


async def test_root_where_the_policy_allows_it_has_no_capability_and_gains_none(config: dict[str, Any]):
    config["policy"] = {"callers_may_loosen": ["non_root"]}
    async with devbench_core.open(config) as bench:
        container = await spawn(bench, "0")
        _, shown = await run(
            bench, container, "cat /proc/self/status; touch /tmp/x; stat -c %u:%g /tmp/x", user="0"
        )
        lines = dict(line.split(":", 1) for line in shown.splitlines())
        assert lines["Uid"].split() == ["0"] * 4
        assert all(int(lines[name], 16) == 0 for name in lines if name.startswith("Cap"))
        assert lines["NoNewPrivs"].strip() == "1"
        assert shown.endswith("0:0\n")
        theirs = "for p in 1 $$; do kill -0 $p && echo $p; done; cat /proc/1/environ; cat /workspace/x; true"
        own, said = await run(bench, container, theirs, user="0")
        assert own.ending is not None
        assert len(said.split()) == 1, "its own shell and nothing else"
        await bench.containers.kill(container)


async def test_its_own_processes_learn_nothing_of_its_agent(config: dict[str, Any]):
    """Nor do those of the container's user: the token is in its memory alone."""
    async with devbench_core.open(config) as bench:
        container = await spawn(bench)
        look = (
            "for p in $(cd /proc; grep -sl '^devbench-agent$' [0-9]*/comm); do p=/proc/${p%/comm}; "
            "for f in environ mem maps fd/0 fd/3; do cat $p/$f > /dev/null 2>&1 && echo $p/$f; done; "
            "ls $p/fd > /dev/null 2>&1 && echo $p/fd; done; "
            "ls -A /.devbench-guests/4242 2> /dev/null; true"
        )
        assert (await run(bench, container, look))[1] == "agent.sock\n"
        assert (await run(bench, container, look, user=None))[1] == ""
        await bench.containers.kill(container)


async def test_the_end_of_the_container_ends_them_and_forgets_their_tokens(config: dict[str, Any]):
    async with devbench_core.open(config) as bench:
        container = await spawn(bench)
        command = await bench.execs.start(container, ExecRequest(argv=("sleep", "1000"), user=OTHER))
        assert len((await bench.store.list(KIND)).records) == 1
        await bench.containers.kill(container)
        ending = (await bench.execs.get(command.id)).ending
        assert ending is not None
        assert ending.reason is ExecReason.CONTAINER_EXITED
        assert (await bench.store.list(KIND)).records == ()


async def test_the_limit_of_commands_counts_those_of_all_users(config: dict[str, Any]):
    config["execs"] = {"concurrent_per_container": 2}
    async with devbench_core.open(config) as bench:
        container = await spawn(bench)
        for user in (OTHER, None):
            await bench.execs.start(container, ExecRequest(argv=("sleep", "1000"), user=user))
        for user in (OTHER, None):
            with pytest.raises(ConcurrencyLimit):
                await bench.execs.start(container, ExecRequest(argv=("true",), user=user))
        await bench.containers.kill(container)


async def test_a_shell_can_be_another_users(config: dict[str, Any]):
    async with devbench_core.open(config) as bench:
        container = await spawn(bench)
        shell = await bench.shells.open(container, kind=ShellKind.SH, user="4242")
        begun = await bench.shells.run(shell.id, "cd /tmp; echo $(id -u) $(pwd)")  # in one piece
        page = await bench.shells.poll(shell.id, after=begun.after, run=begun.number, wait_s=WAIT_S)
        assert b"".join(chunk.data for chunk in page.chunks) == b"4242 /tmp\n"
        await bench.containers.kill(container)


def impatient(config: dict[str, Any]) -> None:
    config["channel"] = {"request_timeout_s": 1.0, "connect_timeout_s": 5.0}
    config["execs"] = {"concurrent_per_container": 2}


async def test_a_stopped_agent_is_replaced_and_its_commands_are_lost_and_hold_no_slot(config: dict[str, Any]):
    """No signal that its user may send undoes it, and it enforces no time limit."""
    impatient(config)
    async with devbench_core.open(config) as bench:
        container = await spawn(bench)
        stopping = ("sh", "-c", STOP_OWN)
        first = await bench.execs.start(container, ExecRequest(argv=stopping, user=OTHER, timeout_s=1))
        lost = await bench.execs.wait(first.id, wait_s=WAIT_S)
        assert lost.ending is not None
        assert lost.ending.reason is ExecReason.LOST
        assert f"user {OTHER}" in lost.ending.message
        assert "stayed silent" in lost.ending.message
        done = await asyncio.gather(*(run(bench, container, "id -u", user=user) for user in (OTHER, None)))
        assert [said for _, said in done] == ["4242\n", "1000\n"]
        assert await guests(bench, container) == 1
        await bench.containers.kill(container)


@pytest.mark.parametrize("direct", [True, False])
async def test_a_host_that_finds_a_stopped_agent_replaces_it(config: dict[str, Any], direct: bool):
    impatient(config)
    config["plugin"][config["runtime"]] |= {"direct": direct, "agent_timeout_s": 2.0}
    user = str(100_000 + secrets.randbelow(1_000_000_000))
    async with devbench_core.open(config) as bench:
        container = await spawn(bench, user)
        first = await bench.execs.start(container, ExecRequest(argv=("sleep", "1000"), user=user))
    for agent in with_word(str(guest_socket(int(user)))):
        os.kill(agent, signal.SIGSTOP)
    async with devbench_core.open(config) as bench:
        with contextlib.suppress(AgentUnavailable):  # unless the adoption has found it out before
            await run(bench, container, "id -u", user)
        assert (await run(bench, container, "id -u", user))[1] == f"{user}\n"
        lost = await bench.execs.wait(first.id, wait_s=WAIT_S)
        assert lost.ending is not None
        assert lost.ending.reason is ExecReason.LOST
        await bench.containers.kill(container)


async def test_a_frozen_container_loses_nothing(config: dict[str, Any], caplog: pytest.LogCaptureFixture):
    """Its agents are silent too, but the engine starts none beside them."""
    impatient(config)
    async with devbench_core.open(config) as bench:
        container = await spawn(bench)
        command = await bench.execs.start(
            container, ExecRequest(argv=("sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done"), user=OTHER)
        )
        ref = (await bench.containers.get(container)).ref
        assert isinstance(bench.runtime, SupportsPause)
        await bench.runtime.pause(ref)
        async with asyncio.timeout(WAIT_S):
            while "guest.not_replaced" not in caplog.text:
                await asyncio.sleep(LOOK_EVERY_S)
        await bench.runtime.unpause(ref)
        await run(bench, container, "touch /tmp/go")
        ended = await bench.execs.wait(command.id, wait_s=WAIT_S)
        assert ended.ending is not None
        assert ended.ending.exit_code == 0
        await bench.containers.kill(container)


async def test_a_start_that_a_living_host_gave_up_without_taking_it_back_is_done_again(
    config: dict[str, Any],
):
    """As when the store did not answer it any more."""
    config["channel"] = {"connect_timeout_s": 1.0}
    async with devbench_core.open(config) as one, devbench_core.open(config) as two:
        container = await spawn(one)
        mine = await one.execs.start(container, ExecRequest(argv=("true",)))
        given_up = Guest(container_id=container, user=OTHER, token=bytes(32), instance=mine.instance)
        await save(one.store, given_up)
        with pytest.raises(AgentUnavailable, match="answered in time"):
            await run(two, container, "id -u")
        assert (await run(two, container, "id -u"))[1] == "4242\n"
        assert (await run(one, container, "id -u"))[1] == "4242\n"
        assert await guests(one, container) == 1
        await one.containers.kill(container)
