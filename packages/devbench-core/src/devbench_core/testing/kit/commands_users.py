"""Commands as other users than the container's: wherever a runtime can, they are commands like all others."""

from __future__ import annotations

import asyncio
import signal
from pathlib import PurePosixPath
from typing import Any

import attrs
import pytest
import pytest_asyncio

from devbench_core.containers import SpawnRequest
from devbench_core.containers.requests import PolicyRequest
from devbench_core.contracts.powers import SupportsUsers
from devbench_core.errors import NotEnforced, ValidationFailed
from devbench_core.model.execution import ExecReason, ExecRequest, Leftovers, TerminalSize
from devbench_core.model.policy import Clause
from devbench_core.testing.kit.claims import Claims, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.commands_actor import WithActor
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.held import skip_without
from devbench_core.testing.kit.host_lab import EACH_WITH_WORD, Lab

OTHER, THIRD = "4242:4343", "5252:5252"
ALONE_S = 20.0  # much less than the agent takes to give up
EACH_GUEST = (
    "for p in $(cd /proc; grep -sl '^devbench-agent$' [0-9]*/comm); do p=${p%/comm}; "
    "grep -q -- --guest /proc/$p/cmdline || continue; "
)
"""A shell's loop over the agents beside PID 1; their keepers have another name, and bridges another command."""


async def guests(lab: Lab) -> list[str]:
    """Return the users of the agents that run beside PID 1, by what the kernel says of each."""
    shown = await lab.sh(EACH_GUEST + "grep '^Uid:' /proc/$p/status; done")
    return sorted(line.split()[1] for line in shown.out.decode().splitlines())


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(ExecRequest, SupportsUsers)
class CommandsUsersContract(WithActor):
    """Commands as other users than the container's."""

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def many(cls, lab: Lab, claims: Claims) -> Lab:
        """A container in which two more users are allowed; skips where the runtime has none."""
        skip_without(claims, SupportsUsers, Clause.EXEC_USERS)
        policy = PolicyRequest(exec_users=(OTHER, "5252"))
        spawned = await lab.bench.containers.spawn(SpawnRequest(policy=policy))
        return attrs.evolve(lab, container=spawned.container.id)

    async def test_a_runtime_without_users_refuses_the_clause_by_name_and_starts_nothing(
        self, lab: Lab, claims: Claims
    ):
        if claims.has(Clause.EXEC_USERS):
            pytest.skip("this runtime has users")
        before = await lab.bench.containers.list()
        with pytest.raises(NotEnforced, match="cannot enforce exec_users") as caught:
            await lab.bench.containers.spawn(SpawnRequest(policy=PolicyRequest(exec_users=("4242",))))
        assert caught.value.details["clauses"] == ["exec_users"]
        assert await lab.bench.containers.list() == before

    async def test_no_agent_is_started_before_one_is_asked_for(self, many: Lab):
        assert (await many.run("true")).exit_code == 0
        assert await guests(many) == []

    async def test_many_first_commands_at_once_start_exactly_one_agent_each(self, many: Lab):
        commands = await asyncio.gather(
            *(many.run("sh", "-c", "id -u; id -g", user=user, queue_s=30) for user in (OTHER, "5252") * 8)
        )
        assert {done.out for done in commands} == {b"4242\n4343\n", b"5252\n5252\n"}
        assert await guests(many) == ["4242", "5252"]

    @needs(Clause.NO_CAPABILITIES, Clause.NO_NEW_PRIVILEGES, Clause.SECCOMP)
    async def test_it_is_that_user_without_any_right_of_its_own(self, many: Lab):
        status = (await many.run("cat", "/proc/self/status", user="4242")).out.decode()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        assert lines["Uid"].split() == ["4242"] * 4
        assert lines["Gid"].split() == ["4343"] * 4
        assert lines["Groups"].split() in ([], ["4343"])
        assert all(int(lines[name], 16) == 0 for name in lines if name.startswith("Cap"))
        assert lines["NoNewPrivs"].strip() == "1"
        assert lines["Seccomp"].strip() == "2"

    async def test_what_it_makes_belongs_to_it_and_is_private_to_it(self, many: Lab):
        made = await many.sh("umask 077; echo secret > /tmp/mine; stat -c %u:%g /tmp/mine", user=OTHER)
        assert made.out == b"4242:4343\n"
        for other in (None, THIRD):
            read = await many.run("cat", "/tmp/mine", user=other)
            assert read.exit_code != 0
            assert b"denied" in read.err
        assert (await many.run("cat", "/tmp/mine", user=OTHER)).out == b"secret\n"

    async def test_it_runs_in_the_workspace_with_the_containers_environment(self, many: Lab):
        done = await many.sh("pwd; echo $HOME; touch x 2> /dev/null || echo refused", user=OTHER)
        assert done.out == b"/workspace\n/workspace\nrefused\n"

    async def test_its_directory_is_made_as_this_user(self, many: Lab):
        assert (await many.sh("mkdir -p shared; chmod 1777 shared")).exit_code == 0
        where = PurePosixPath("shared/of/4242")
        done = await many.sh("stat -c %u:%g . ..; pwd", user=OTHER, cwd=where, create_cwd=True)
        assert done.out == b"4242:4343\n4242:4343\n/workspace/shared/of/4242\n"

    async def test_input_and_terminals_work(self, many: Lab):
        assert (await many.run("cat", user=OTHER, stdin=b"hello")).out == b"hello"
        shown = await many.run(
            "sh", "-c", "tty; stty size", user=OTHER, tty=TerminalSize(columns=99, rows=33)
        )
        assert b"/dev/pts/" in shown.out
        assert b"33 99" in shown.out
        cat = await many.start("cat", user=OTHER, open_stdin=True)
        await many.bench.execs.write_input(cat.id, b"typed", eof=True)
        assert (await many.done(cat)).out == b"typed"

    @pytest.mark.parametrize("how", ["cancel", "timeout", "leftovers"])
    async def test_the_end_reaches_its_whole_tree(self, many: Lab, how: str):
        word = f"tree-{how}"
        script = (
            "setsid sh -c 'sleep 1001; true' $0 & "
            "(sh -c 'sleep 1002; true' $0 & setsid sh -c 'sleep 1003; true' $0 &); echo on; "
        )
        more: dict[str, Any] = {"timeout_s": 1.0} if how == "timeout" else {}
        if how == "leftovers":
            more["leftovers"] = Leftovers.END
        else:
            script += "sleep 1004; true"
        command = await many.start("sh", "-c", script, word, user=OTHER, **more)
        await many.until_said(command, b"on\n")
        if how == "cancel":
            await many.bench.execs.cancel(command.id)
        done = await many.done(command)
        reasons = {
            "cancel": ExecReason.CANCELLED,
            "timeout": ExecReason.TIMED_OUT,
            "leftovers": ExecReason.EXITED,
        }
        assert done.ending.reason is reasons[how]
        assert await many.processes(word) == 0

    async def test_a_signal_reaches_it(self, many: Lab):
        command = await many.start(
            "sh", "-c", "trap 'echo got; exit 7' USR1; echo on; while :; do sleep 0.1; done", user=OTHER
        )
        await many.until_said(command, b"on\n")
        assert await many.bench.execs.signal(command.id, signal.SIGUSR1)
        done = await many.done(command)
        assert (done.exit_code, done.out) == (7, b"on\ngot\n")

    async def test_its_record_and_the_list_tell_the_user(self, many: Lab):
        command = await many.start("sleep", "1000", user="4242")
        mine = await many.start("sleep", "1000", user=None)
        assert (command.user, mine.user) == (OTHER, "")
        listed = {
            record.id: record.user for record in await many.bench.execs.list(many.container, running=True)
        }
        assert listed == {command.id: OTHER, mine.id: ""}
        await asyncio.gather(*(many.bench.execs.cancel(each.id) for each in (command, mine)))

    @pytest.mark.parametrize("user", ["0", "4242:4242", "7", "1000:7"])
    async def test_one_that_the_policy_does_not_list_is_refused_and_nothing_starts(
        self, many: Lab, user: str
    ):
        before = await many.bench.execs.list(many.container)
        with pytest.raises(
            ValidationFailed, match=f"run as 1000:1000, or as {OTHER}, {THIRD}; none can run as {user}"
        ) as caught:
            await many.start("true", user=user)
        assert "policy.exec_users" in caught.value.hint
        assert await many.bench.execs.list(many.container) == before

    async def test_a_killed_agent_loses_its_commands_and_the_next_command_starts_another(self, many: Lab):
        lost = await many.start("sh", "-c", "echo on; sleep 1005; true", "survivor", user=OTHER)
        await many.until_said(lost, b"on\n")
        other = await many.start("sh", "-c", "echo on; exec sleep 1006", user=THIRD)
        killed = await many.sh(EACH_GUEST + "kill -9 $p 2> /dev/null; done; sleep 60", user=OTHER)
        assert killed.ending.reason is ExecReason.LOST
        done = await many.done(lost)
        assert done.ending.reason is ExecReason.LOST
        assert "4242:4343" in done.ending.message
        assert done.out == b"on\n"
        assert (await many.run("id", "-u", user=OTHER)).out == b"4242\n"
        assert await many.processes("survivor") == 0
        assert (await many.bench.execs.get(other.id)).ending is None
        assert (await many.bench.execs.cancel(other.id)).ending is not None

    async def test_what_a_killed_agent_left_does_not_hold_up_the_end_of_others(self, many: Lab):
        """Its processes are children of PID 1 then, which may not end them: they are of another user."""
        left = await many.start("sh", "-c", "echo on; sleep 1007; true", "left", user=OTHER)
        await many.until_said(left, b"on\n")
        await many.sh(EACH_GUEST + "kill -9 $p 2> /dev/null; done; sleep 60", user=OTHER)
        assert (await many.done(left)).ending.reason is ExecReason.LOST
        assert await many.processes("left") == 1
        mine = await many.start("sh", "-c", "echo on; sleep 1008; true", "mine")
        await many.until_said(mine, b"on\n")
        async with asyncio.timeout(ALONE_S):
            keeper = "kill -9 $(awk '/^PPid/ { print $2 }' ${file%/*}/status); done"
            assert (await many.run("sh", "-c", EACH_WITH_WORD + keeper, "mine")).exit_code == 0
            assert (await many.done(mine)).ending.reason is ExecReason.LOST
        assert await many.processes("mine") == 0
        assert await many.processes("left") == 1
        assert (await many.run("true", user=OTHER)).exit_code == 0
        assert await many.processes("left") == 0

    @pytest.mark.parametrize(
        "harm",
        [
            "rm agent.sock; mkdir -p agent.sock/x agent.sock.new/x",
            "head -c 4000000 /dev/zero > full; chmod 0 .",
        ],
    )
    async def test_what_its_user_leaves_in_the_place_of_its_socket_does_not_keep_the_next_from_starting(
        self, many: Lab, harm: str
    ):
        killed = await many.sh(
            f"cd /.devbench-guests/4242; {harm}; cd /; "
            + EACH_GUEST
            + "kill -9 $p 2> /dev/null; done; sleep 60",
            user=OTHER,
        )
        assert killed.ending.reason is ExecReason.LOST
        for _ in range(2):
            assert (await many.run("id", "-u", user=OTHER)).out == b"4242\n"
