"""Time limits and cancels of runs: what they end, and what they keep."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from devbench_core.model.shell import RunReason, ShellKind, ShellState
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, descendants, eventually

from .conftest import User


@pytest.mark.parametrize(
    "script",
    [
        "sleep 300",
        "sleep 300; sleep 300; echo never",
        "while :; do sleep 0.05; done",
        "while :; do :; done",
        "loop() { while :; do :; done; }; loop; echo never; loop",
        "trap '' INT; sleep 300",
        "(trap '' INT; while :; do sleep 0.05; done)",
        "sh -c 'trap \"\" INT QUIT TERM HUP; while :; do sleep 0.05; done'",
        "sleep 300 | cat | cat",
        "x=$(sleep 300)",
        "wait_for() { sleep 300 & wait $!; }; wait_for",
    ],
)
async def test_a_timeout_ends_the_run_and_keeps_the_shell(user: User, script: str):
    await user.run("kept=yes")
    ran = await user.run(script, timeout_s=0.3)
    assert (ran.run.reason, ran.run.shell_kept) == (RunReason.TIMED_OUT, True)
    assert b"never" not in ran.out
    assert (await user.run("echo $kept")).out == b"yes\n"


async def test_background_jobs_outlive_the_timeout_of_a_run(user: User):
    await user.run("sleep 300 & before=$!")
    ran = await user.run("sleep 300 & during=$!; (trap '' INT; sleep 300)", timeout_s=0.3)
    assert ran.run.shell_kept
    assert (await user.run("kill -0 $before && kill -0 $during && echo alive")).out == b"alive\n"


async def test_a_cancelled_run_says_so(user: User):
    await user.host.shells.run(user.shell.id, "echo begun; sleep 300")
    ended = await user.host.shells.cancel(user.shell.id)
    assert ended is not None
    assert (ended.reason, ended.shell_kept) == (RunReason.CANCELLED, True)
    assert await user.host.shells.cancel(user.shell.id) is None
    assert (await user.run("echo on")).out == b"on\n"


async def test_a_cancel_that_is_meant_for_a_run_that_has_ended_ends_no_later_one(user: User):
    first = (await user.run("echo first")).run
    later = await user.host.shells.run(user.shell.id, "read -r x; echo got $x", interactive=True)
    assert await user.host.shells.cancel(user.shell.id, run=first.number) is None
    await user.host.shells.input(user.shell.id, b"it\n")
    assert (await user.rest(later)).out == b"got it\n"
    last = await user.host.shells.run(user.shell.id, "sleep 300")
    ended = await user.host.shells.cancel(user.shell.id, run=last.number)
    assert ended is not None
    assert ended.reason is RunReason.CANCELLED


async def test_output_until_the_timeout_is_the_runs(user: User):
    ran = await user.run("echo before; sleep 300; echo after", timeout_s=0.3)
    assert ran.out == b"before\n"


async def test_a_shell_that_cannot_be_interrupted_is_ended_and_says_so(user: User):
    ran = await user.run("trap '' INT; while :; do :; done", timeout_s=0.2)
    assert (ran.run.reason, ran.run.shell_kept) == (RunReason.TIMED_OUT, False)
    assert (await user.again()).state is ShellState.ENDED


async def test_a_script_that_takes_the_shells_trap_away_ends_it_when_interrupted_and_says_so(user: User):
    ran = await user.run("trap - INT; sleep 300", timeout_s=0.2)
    assert (ran.run.reason, ran.run.shell_kept) == (RunReason.TIMED_OUT, False)


async def test_a_trap_of_the_scripts_own_is_run_and_holds_for_that_run(user: User):
    ran = await user.run("trap 'echo cleaned up' INT; sleep 300; (exit 5)", timeout_s=0.2)
    assert (ran.out, ran.run.exit_code, ran.run.shell_kept) == (b"cleaned up\n", 5, True)
    ran = await user.run("sleep 300", timeout_s=0.2)
    assert (ran.out, ran.run.shell_kept) == (b"", True)


async def test_an_interrupted_bash_keeps_no_trap_of_the_interruption(shell_host: Host):
    user = User(host=shell_host, shell=await shell_host.shells.open(CONTAINER_ID, kind=ShellKind.BASH))
    await user.run("sleep 300", timeout_s=0.2)
    ran = await user.run("f() { echo in f; }; f; trap -p DEBUG; echo ${-//[^T]}")
    assert ran.out == b"in f\n\n"


def sleeps(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8") == "sleep\n"
    return False


TAKES_ITSELF_APART = r"""
reads=0
trap 'case $BASH_COMMAND in *"read -r"*__devbench_h*)
  [ $((reads += 1)) -lt 2 ] || { exec {__devbench_f}<&-; exec sleep 300; } ;;
esac' DEBUG
"""


async def test_a_script_for_a_shell_that_closed_its_side_stream_and_lives_ends_at_once_and_not_at_its_time_limit(
    shell_host: Host, local_agent: LocalAgent
):
    user = User(host=shell_host, shell=await shell_host.shells.open(CONTAINER_ID, kind=ShellKind.BASH))
    assert (await user.run(TAKES_ITSELF_APART)).run.shell_kept  # it reported, and closed its end after that
    # a script that comes before it has closed its end is taken, and then nobody sees that it is never read
    await eventually(lambda: any(map(sleeps, descendants(local_agent.process.pid))))
    async with asyncio.timeout(20):
        ran = await user.run("echo never", timeout_s=600)
    assert (ran.out, ran.run.reason, ran.run.shell_kept) == (b"", RunReason.SHELL_ENDED, False)
