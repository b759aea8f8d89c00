"""Limits of one command, how many run at once, and running it once."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from devbench_core.errors import ConcurrencyLimit, Conflict, ExecNotFound, ValidationFailed
from devbench_core.execs import Execs
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Exec, ExecReason, ResourceLimits
from devbench_core.model.policy import Clause
from devbench_core.testing.kit.claims import needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.commands_actor import ACTOR, WithActor
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import Lab


async def busy(lab: Lab) -> list[Exec]:
    """Take every slot of the container."""
    count = lab.bench.settings.execs.concurrent_per_container - len(
        await lab.bench.execs.list(lab.container, running=True)
    )
    return [await lab.start("sleep", "600") for _ in range(count)]


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Execs.start, ResourceLimits)
class CommandsBoundsContract(WithActor):
    """Limits of one command, how many run at once, and running it once."""

    @pytest.mark.parametrize("nofile", [4, 5, 16, 77, 256])
    async def test_open_files_are_limited(self, lab: Lab, nofile: int):
        assert (await lab.run(ACTOR, "files", limits=ResourceLimits(nofile=nofile))).out == b"%d\n" % nofile

    async def test_a_limit_of_open_files_is_that_of_one_command(self, lab: Lab):
        usual = (await lab.run(ACTOR, "files")).out
        await lab.run(ACTOR, "files", limits=ResourceLimits(nofile=7))
        assert (await lab.run(ACTOR, "files")).out == usual

    @pytest.mark.parametrize(("core_bytes", "seen"), [(0, b"0\n"), (1024 * 512, None)])
    async def test_the_size_of_a_core_is_limited(self, lab: Lab, core_bytes: int, seen: bytes | None):
        done = await lab.sh("ulimit -c", limits=ResourceLimits(core_bytes=core_bytes))
        assert done.out == seen or (seen is None and done.exit_code == 0)

    @pytest.mark.parametrize("nice", [0, 1, 10, 19])
    async def test_a_command_can_be_less_urgent(self, lab: Lab, nice: int):
        usual = (await lab.run(ACTOR, "nice")).exit_code
        done = await lab.run(ACTOR, "nice", limits=ResourceLimits(nice=nice))
        assert done.exit_code == min(19, usual + nice)

    @pytest.mark.parametrize(
        ("field", "limits"),
        [
            ("nofile", ResourceLimits(nofile=0)),
            ("nofile", ResourceLimits(nofile=-1)),
            ("nofile", ResourceLimits(nofile=2**30)),
            ("core_bytes", ResourceLimits(core_bytes=-1)),
            ("core_bytes", ResourceLimits(core_bytes=2**50)),
            ("nice", ResourceLimits(nice=-1)),
            ("nice", ResourceLimits(nice=20)),
        ],
    )
    async def test_a_limit_that_is_none_is_refused_by_name(
        self, lab: Lab, field: str, limits: ResourceLimits
    ):
        with pytest.raises(ValidationFailed, match=f"limits.{field}"):
            await lab.run("true", limits=limits)

    @pytest.mark.parametrize(
        ("field", "more"),
        [
            ("timeout_s", {"timeout_s": 0}),
            ("timeout_s", {"timeout_s": -1}),
            ("timeout_s", {"timeout_s": float("nan")}),
            ("timeout_s", {"timeout_s": float("inf")}),
            ("grace_s", {"grace_s": -1}),
            ("queue_s", {"queue_s": -1}),
            ("queue_s", {"queue_s": 1e9}),
            ("user", {"user": "root; id"}),
        ],
    )
    async def test_a_wrong_field_is_refused_by_name(self, lab: Lab, field: str, more: dict[str, Any]):
        with pytest.raises(ValidationFailed, match=field):
            await lab.run("true", **more)

    @needs(Clause.NON_ROOT)
    async def test_root_is_refused_as_a_wrong_user(self, lab: Lab):
        with pytest.raises(ValidationFailed, match="user"):
            await lab.run("true", user="0")

    async def test_one_more_than_may_run_is_refused_with_the_setting(self, lab: Lab):
        running = await busy(lab)
        with pytest.raises(ConcurrencyLimit) as caught:
            await lab.start("true")
        assert caught.value.details["setting"] == "execs.concurrent_per_container"
        await asyncio.gather(*(lab.bench.execs.cancel(each.id) for each in running))
        assert (await lab.run("true")).exit_code == 0

    async def test_one_more_waits_for_its_turn_when_it_may(self, lab: Lab):
        running = await busy(lab)
        waiting = asyncio.create_task(lab.run("echo", "late", queue_s=60))
        await lab.bench.execs.cancel(running.pop().id)
        assert (await waiting).out == b"late\n"
        await asyncio.gather(*(lab.bench.execs.cancel(each.id) for each in running))

    async def test_a_wait_that_was_too_short_is_refused(self, lab: Lab):
        running = await busy(lab)
        with pytest.raises(ConcurrencyLimit):
            await lab.start("true", queue_s=0.05)
        await asyncio.gather(*(lab.bench.execs.cancel(each.id) for each in running))

    async def test_fifty_commands_at_once_all_have_their_own_ending(self, lab: Lab):
        done = await asyncio.gather(*(lab.run(ACTOR, "exit", str(n), queue_s=60) for n in range(50)))
        assert [each.exit_code for each in done] == list(range(50))

    @pytest.mark.parametrize("callers", [2, 20])
    async def test_callers_with_one_key_start_one_command(self, lab: Lab, callers: int):
        argv = ("sh", "-c", f"echo ran >> once{callers}; cat once{callers}")
        started = await asyncio.gather(*(lab.start(*argv, key=f"once{callers}") for _ in range(callers)))
        assert len({each.id for each in started}) == 1
        assert Counter(each.replayed for each in started) == {False: 1, True: callers - 1}
        assert (await lab.done(started[0])).out == b"ran\n"

    async def test_a_repeat_finds_its_command_after_the_end(self, lab: Lab):
        first = await lab.done(await lab.start(ACTOR, "exit", "6", key="repeat"))
        again = await lab.start(ACTOR, "exit", "6", key="repeat")
        assert (again.id, again.replayed, again.ending) == (first.record.id, True, first.ending)

    async def test_a_key_with_another_request_is_a_conflict_that_names_it(self, lab: Lab):
        await lab.done(await lab.start("true", key="taken"))
        with pytest.raises(Conflict, match="'taken'"):
            await lab.start("false", key="taken")

    async def test_a_command_that_could_not_start_leaves_its_key_free(self, lab: Lab):
        for _ in range(2):
            started = await lab.start("no-such-program", key="free")
            assert started.ending is not None
            assert (started.ending.reason, started.replayed) == (ExecReason.FAILED_TO_START, False)

    @pytest.mark.parametrize("key", ["", "x" * 201, "line\n", "\0"])
    async def test_a_key_that_is_none_is_refused(self, lab: Lab, key: str):
        with pytest.raises(ValidationFailed):
            await lab.start("true", key=key)

    async def test_a_command_is_not_there_for_another_tenant(self, lab: Lab):
        done = await lab.run("true")
        with pytest.raises(ExecNotFound):
            await lab.bench.execs.get(done.record.id, caller=Caller(tenant="other"))
