"""Every way in which a command can end, or not begin."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from devbench_core.model.execution import ExecEnding, ExecReason
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.commands_actor import ACTOR, WithActor
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab

CODES = [*range(0, 256, 15), 1, 2, 126, 127, 128, 129, 137, 143, 254]
DEADLY = [*range(1, 17), *range(24, 28), 29, 30, 31, 34, 50, 64]
"""Linux's signals whose default is an end (signal(7)): all but CHLD, URG, WINCH, CONT and the four that stop."""


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(ExecEnding, ExecReason)
class CommandsEndingsContract(WithActor):
    """Every way in which a command can end, or not begin."""

    @pytest.mark.parametrize("code", CODES)
    async def test_an_exit_code_is_exact(self, lab: Lab, code: int):
        done = await lab.run(ACTOR, "exit", str(code))
        assert done.exit_code == code
        assert (done.ending.signal, done.ending.failure) == (None, "")

    @pytest.mark.parametrize("number", DEADLY)
    async def test_a_deadly_signal_is_told_as_a_signal(self, lab: Lab, number: int):
        done = await lab.run(ACTOR, "die", str(number))
        assert (done.ending.reason, done.ending.signal) == (ExecReason.SIGNALED, number)
        assert done.ending.exit_code is None

    @pytest.mark.parametrize("number", [2, 9, 11, 15])
    async def test_a_shells_128_plus_n_is_an_exit_and_not_a_signal(self, lab: Lab, number: int):
        done = await lab.sh(f"{ACTOR} die {number}; exit $?")
        assert done.exit_code == 128 + number

    @pytest.mark.parametrize(
        ("script", "program", "failure"),
        [
            ("", "no-such-program", "not_found"),
            ("", "/no/such/program", "not_found"),
            ("", "./no-such-program", "not_found"),
            ("ln -sf nowhere dangling", "./dangling", "not_found"),
            ("printf '#!/no/such/interpreter\\n' > script; chmod +x script", "./script", "not_found"),
            ("echo data > plain; chmod 644 plain", "./plain", "not_executable"),
            ("mkdir -p folder", "./folder", "not_executable"),
            ("printf 'no program' > text; chmod +x text", "./text", "not_executable"),
            ("", "./actor/below-a-file", "not_found"),
        ],
    )
    async def test_a_program_that_cannot_be_executed_is_named_with_the_reason(
        self, lab: Lab, script: str, program: str, failure: str
    ):
        assert (await lab.sh(script or "true")).exit_code == 0
        done = await lab.run(program)
        assert (done.ending.reason, done.ending.failure) == (ExecReason.FAILED_TO_START, failure)
        assert program in done.ending.message
        assert done.chunks == ()

    @pytest.mark.parametrize("cwd", ["nowhere", "/no/where", "actor", "actor/below"])
    async def test_a_directory_that_is_none_is_named(self, lab: Lab, cwd: str):
        done = await lab.run("true", cwd=PurePosixPath(cwd))
        assert (done.ending.reason, done.ending.failure) == (ExecReason.FAILED_TO_START, "bad_directory")
        assert cwd in done.ending.message

    async def test_an_argument_that_the_kernel_does_not_take_is_a_failure_to_start(self, lab: Lab):
        done = await lab.run(ACTOR, "argv", "x" * 200_000)  # MAX_ARG_STRLEN of execve(2) is 128 KiB
        assert (done.ending.reason, done.ending.failure) == (ExecReason.FAILED_TO_START, "too_long")

    async def test_a_command_that_failed_to_start_takes_no_slot(self, lab: Lab):
        before = lab.bench.execs.running_here
        for _ in range(10):
            assert (await lab.run("no-such-program")).ending.failure == "not_found"
        assert lab.bench.execs.running_here == before

    async def test_usage_is_told_of_what_ran(self, lab: Lab):
        done = await lab.sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
        usage = done.ending.usage
        assert usage is not None
        assert 0 < usage.wall_s < 60
        assert usage.user_s is not None
        assert 0 < usage.user_s <= 60
        assert usage.max_rss_bytes is not None
        assert usage.max_rss_bytes > 100_000

    async def test_what_never_ran_used_nothing(self, lab: Lab):
        assert (await lab.run("no-such-program")).ending.usage is None

    async def test_the_time_that_a_command_waits_is_wall_time_and_not_processor_time(self, lab: Lab):
        usage = (await lab.run("sleep", "0.3")).ending.usage
        assert usage is not None
        assert usage.wall_s >= 0.3
        assert (usage.user_s or 0) + (usage.system_s or 0) < 0.3
