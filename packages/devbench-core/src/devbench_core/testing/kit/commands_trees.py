"""A timeout and a cancel end everything that a command started, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from devbench_core.errors import ValidationFailed
from devbench_core.execs import Execs
from devbench_core.model.execution import Exec, ExecReason, Leftovers, SignalScope
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.commands_actor import ACTOR, WithActor
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab, long_time
from devbench_core.values import frozen

TREES = [
    "plain",
    "deaf",  # ignores TERM
    "deaf-child",  # a session of its own whose leader ignores TERM
    "session",
    "detached",  # a daemon: forked twice, in a session of its own
    "stopped",
    "stopped-child",
    "hopping",  # processes that are always another one
    "storm",  # sixty processes
]
SHELLS = {
    "pipeline": "echo ready; sleep $0 | sleep $0 | sleep $0",
    "background": "sleep $0 & (sleep $0 &) ; echo ready; sleep $0",
    "no hang-up": "(trap '' HUP; sleep $0; true) & echo ready; wait",
    "traps": "trap 'echo no' TERM INT HUP; echo ready; while :; do sleep $0; done",
    "children of children": "sh -c 'sh -c \"echo ready; sleep \\$0; true\" $0; true' $0; true",
}
GRACE_S = 0.1


@frozen
class Bystander:
    """Another command, with a child of its own, that nothing here may touch.

    Attributes:
        command: The command.
        word: What the child has among its arguments.
    """

    command: Exec
    word: str


async def check_that_nothing_is_left(lab: Lab, word: str, bystander: Bystander) -> None:
    """See that no process with a word is left, and that the other command goes on."""
    assert await lab.processes(word) == 0
    assert await lab.processes(bystander.word) == 1
    assert (await lab.bench.execs.get(bystander.command.id)).ending is None


LISTEN = 'trap "echo %s" USR1; echo ready; while :; do sleep 0.02; done'
FAMILY = f"(%s) & setsid sh -c '{LISTEN % 'far'}' & {LISTEN % 'leader'}" % (LISTEN % "near")


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Execs.cancel, Execs.signal)
class CommandsTreesContract(WithActor):
    """Everything that a command started ends with it, and nothing else does."""

    @pytest_asyncio.fixture(scope="class", loop_scope="class")
    @classmethod
    async def bystander(cls, lab: Lab) -> AsyncGenerator[Bystander]:
        """Start it; it runs as long as the tests do."""
        word = long_time()
        command = await lab.start("sh", "-c", f"setsid sleep {word} & echo ready; wait")
        await lab.until_said(command, b"ready\n")
        yield Bystander(command=command, word=word)
        assert (await lab.bench.execs.get(command.id)).ending is None
        await lab.bench.execs.cancel(command.id)

    @pytest.mark.parametrize("tree", TREES)
    async def test_a_cancel_ends_a_whole_tree_and_no_bystander(
        self, lab: Lab, bystander: Bystander, tree: str
    ):
        word = long_time()
        command = await lab.start(ACTOR, "ready", tree, word)
        await lab.until_said(command, b"ready\n")
        record = await lab.bench.execs.cancel(command.id)
        assert record.ending is not None
        assert record.ending.reason is ExecReason.CANCELLED
        await check_that_nothing_is_left(lab, word, bystander)
        assert await lab.bench.execs.cancel(command.id) == record

    @pytest.mark.parametrize("tree", TREES)
    async def test_a_timeout_ends_a_whole_tree_and_no_bystander(
        self, lab: Lab, bystander: Bystander, tree: str
    ):
        word = long_time()
        command = await lab.start(ACTOR, "ready", tree, word, timeout_s=0.4, grace_s=GRACE_S)
        done = await lab.done(command)
        assert done.ending.reason is ExecReason.TIMED_OUT
        assert done.out == b"ready\n"
        await check_that_nothing_is_left(lab, word, bystander)

    @pytest.mark.parametrize("script", SHELLS.values(), ids=SHELLS)
    async def test_a_cancel_ends_all_that_a_shell_started(self, lab: Lab, bystander: Bystander, script: str):
        word = long_time()
        command = await lab.start("sh", "-c", script, word)
        await lab.until_said(command, b"ready\n")
        record = await lab.bench.execs.cancel(command.id)
        assert record.ending is not None
        assert record.ending.reason is ExecReason.CANCELLED
        await check_that_nothing_is_left(lab, word, bystander)

    async def test_a_command_may_use_the_grace_to_end_well(self, lab: Lab):
        script = "trap 'echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
        done = await lab.sh(script, timeout_s=1.5, grace_s=20)
        assert done.ending.reason is ExecReason.TIMED_OUT
        assert done.out == b"ready\ntidied\n"

    @pytest.mark.parametrize("left", ["sleep $0 &", "setsid sleep $0 &", "(setsid sleep $0 &)"])
    async def test_what_is_left_is_counted_and_can_be_ended(self, lab: Lab, left: str):
        word, quiet = long_time(), f"{left}\nexit 3"
        kept = await lab.run("sh", "-c", quiet, word)
        assert (kept.exit_code, "1 of its processes were left" in kept.ending.message) == (3, True)
        ended = await lab.run("sh", "-c", quiet, word, leftovers=Leftovers.END)
        assert (ended.exit_code, ended.ending.message) == (3, "")
        await lab.until_processes(word, 1)
        await lab.kill(word)

    @pytest.mark.parametrize(
        ("scope", "reached"),
        [
            (SignalScope.LEADER, {b"leader"}),
            (SignalScope.GROUP, {b"leader", b"near"}),
            (SignalScope.TREE, {b"leader", b"near", b"far"}),
        ],
    )
    async def test_a_signal_reaches_its_scope(self, lab: Lab, scope: SignalScope, reached: set[bytes]):
        command = await lab.start("sh", "-c", FAMILY)
        await lab.until_said(command, b"ready\nready\nready\n")
        assert await lab.bench.execs.signal(command.id, "USR1", scope=scope)
        for word in reached:
            await lab.until_said(command, word)
        await lab.bench.execs.cancel(command.id)
        assert set((await lab.done(command)).out.split()) == {b"ready", *reached}

    @pytest.mark.parametrize("name", ["TERM", "SIGTERM", "term", 15, "KILL", "SIGUSR2", "HUP", "INT", "QUIT"])
    async def test_a_signal_is_known_by_its_names_and_its_number(self, lab: Lab, name: str | int):
        command = await lab.start(ACTOR, "ready", "plain")
        await lab.until_said(command, b"ready\n")
        assert await lab.bench.execs.signal(command.id, name)
        done = await lab.done(command)
        assert done.ending.reason is ExecReason.SIGNALED
        assert not await lab.bench.execs.signal(command.id, name), "it has ended"

    @pytest.mark.parametrize("name", ["NOTHING", "", "SIG", 0, -1, 65, 10**9])
    async def test_what_is_no_signal_is_refused(self, lab: Lab, bystander: Bystander, name: str | int):
        with pytest.raises(ValidationFailed, match="signal"):
            await lab.bench.execs.signal(bystander.command.id, name)

    async def test_a_stopped_command_goes_on_when_it_is_told_to(self, lab: Lab):
        command = await lab.start("sh", "-c", "echo ready; read word; echo $word", open_stdin=True)
        await lab.until_said(command, b"ready\n")
        await lab.bench.execs.signal(command.id, "STOP")
        process = await lab.bench.execs.process(command.id)
        await process.write(b"on\n")
        page = await lab.bench.execs.poll(command.id, after=1, wait_s=0.2)
        assert (page.chunks, page.ending) == ((), None)
        await lab.bench.execs.signal(command.id, "CONT")
        assert (await lab.done(command)).out == b"ready\non\n"

    async def test_many_cancels_at_once_have_one_ending(self, lab: Lab):
        command = await lab.start("sleep", "600")
        records = await asyncio.gather(*(lab.bench.execs.cancel(command.id) for _ in range(10)))
        assert len({record.ending for record in records}) == 1

    @pytest.mark.parametrize("delay_s", [0, 0.005, 0.02, 0.05])
    async def test_a_command_that_ends_while_it_is_cancelled_has_one_true_ending(
        self, lab: Lab, delay_s: float
    ):
        command = await lab.start("sleep", "0.02")
        await asyncio.sleep(delay_s)
        record = await lab.bench.execs.cancel(command.id)
        assert record.ending is not None
        assert record.ending.reason in {ExecReason.EXITED, ExecReason.CANCELLED}
        assert (await lab.done(command)).ending == record.ending
