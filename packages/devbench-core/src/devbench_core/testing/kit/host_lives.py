"""What a whole host promises of its containers: asked for once they are made once, they outlive it, and they end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from devbench_core.bench import Bench
from devbench_core.containers import SpawnRequest
from devbench_core.containers.service import Containers
from devbench_core.errors import Conflict, ContainerExited
from devbench_core.execs import Execs
from devbench_core.hookspecs import HookSpecs
from devbench_core.ids import new_id
from devbench_core.model.container import EndReason, Status
from devbench_core.model.event import Event
from devbench_core.model.execution import ExecReason
from devbench_core.testing.kit.claims import Claims, Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.host_lab import WAIT_S, Lab, long_time
from devbench_core.testing.kit.host_opening import Observer, OpenHost, WithHost
from devbench_core.testing.seeing import processes_with, until

GOES_ON = "echo begun; while [ ! -e go ]; do sleep 0.05; done; echo went on; exit 7"


async def on_the_engine(bench: Bench) -> set[str]:
    """Return the ids of the containers that the runtime itself shows."""
    return {seen.container_id async for seen in bench.runtime.list(bench.installation)}


@in_time
@pytest.mark.asyncio(loop_scope="class")
@stated_by(Containers)
class HostLivesContract(WithHost):
    """The lives of containers and of hosts."""

    @pytest_asyncio.fixture(loop_scope="class")
    async def kept(self, open_host: OpenHost) -> AsyncGenerator[str]:
        """Give the id of a container that outlived the host that made it."""
        async with open_host() as first:
            spawned = await first.containers.spawn(SpawnRequest(persistent=True))
        container = spawned.container.id
        try:
            yield container
        finally:
            async with open_host() as last:
                await last.containers.kill(container)

    @stated_by(Containers.spawn)
    async def test_a_spawn_with_a_key_makes_one_container_for_many_callers(self, open_host: OpenHost):
        request = SpawnRequest(idempotency_key=new_id("k_"), persistent=True)
        async with open_host() as one:
            spawned = await asyncio.gather(*(one.containers.spawn(request) for _ in range(10)))
            assert len({each.container.id for each in spawned}) == 1
            assert Counter(each.replayed for each in spawned) == {False: 1, True: 9}
        async with open_host() as two:
            again = await two.containers.spawn(request)
            assert (again.replayed, again.container.id) == (True, spawned[0].container.id)
            await two.containers.kill(again.container.id)

    @needs(Trait.SHELL)
    @stated_by(Execs.start)
    async def test_a_command_with_a_key_runs_once_for_many_callers_on_several_hosts(
        self, open_host: OpenHost, kept: str
    ):
        argv = ("sh", "-c", "echo ran >> count; cat count")
        async with open_host() as one, open_host() as two:
            labs = [Lab(bench=bench, container=kept, has_shell=True) for bench in (one, two)]
            started = await asyncio.gather(*(lab.start(*argv, key="k", queue_s=WAIT_S) for lab in labs * 10))
        assert len({each.id for each in started}) == 1
        assert Counter(each.replayed for each in started) == {False: 1, True: 19}
        async with open_host() as three:
            lab = Lab(bench=three, container=kept, has_shell=True)
            again = await lab.start(*argv, key="k")
            assert (again.replayed, again.id) == (True, started[0].id)
            assert (await lab.done(again)).exit_code == 0
            assert (await lab.files.read(kept, "count")).data == b"ran\n"
            with pytest.raises(Conflict, match="'k' was used for a different request"):
                await lab.start("true", key="k")

    @needs(Trait.SHELL)
    @stated_by(Containers, Execs)
    async def test_a_host_that_is_opened_again_finds_containers_files_running_commands_and_their_output(
        self, open_host: OpenHost, kept: str
    ):
        async with open_host() as one:
            lab = Lab(bench=one, container=kept, has_shell=True)
            await lab.files.write(kept, "note", b"kept")
            running, ended = await lab.start("sh", "-c", GOES_ON), await lab.sh("echo over; exit 3")
            await lab.until_said(running, b"begun\n")
        async with open_host() as two:
            lab = Lab(bench=two, container=kept, has_shell=True)
            found = await two.containers.inspect(kept)
            assert (found.id, found.status) == (kept, Status.RUNNING)
            assert (await lab.files.read(kept, "note")).data == b"kept"
            assert [each.id for each in await two.execs.list(kept, running=True)] == [running.id]
            assert await lab.done(ended.record) == ended
            await lab.files.write(kept, "go", b"")
            done = await lab.done(running)
            assert (done.exit_code, done.out) == (7, b"begun\nwent on\n")

    @stated_by(SpawnRequest)
    async def test_a_container_that_is_not_persistent_ends_with_its_host(self, open_host: OpenHost):
        async with open_host() as one:
            container = (await one.containers.spawn(SpawnRequest())).container.id
        async with open_host() as two:
            found = await two.containers.get(container)
            assert found.ending is not None
            assert found.ending.reason is EndReason.KILLED
            assert container not in await on_the_engine(two)

    @needs(Trait.SHELL)
    @stated_by(Containers.kill)
    async def test_a_kill_takes_everything_away_and_what_happened_can_be_asked_later(
        self, open_host: OpenHost, claims: Claims
    ):
        word = long_time()
        async with open_host() as bench:
            spawned = await bench.containers.spawn(SpawnRequest(persistent=True))
            container = spawned.container.id
            lab = Lab(bench=bench, container=container, has_shell=True)
            command = await lab.start("sh", "-c", f"setsid sleep {word} & echo begun; sleep {word}")
            await lab.until_said(command, b"begun\n")
            killed = await bench.containers.kill(container)
            assert killed.status is Status.GONE
            assert container not in await on_the_engine(bench)
            if claims.has(Trait.SEEN_PROCESSES):
                await until(lambda: processes_with(word), lambda seen: not seen)
            with pytest.raises(ContainerExited):
                await bench.files.list(container)
            with pytest.raises(ContainerExited):
                await lab.start("true")
            done = await lab.done(command)
            assert (done.ending.reason, done.out) == (ExecReason.CONTAINER_EXITED, b"begun\n")
        async with open_host() as later:
            found = await later.containers.kill(container)
            assert found.ending == killed.ending
            assert killed.ending is not None
            assert killed.ending.reason is EndReason.KILLED
            assert [each.ending for each in await later.execs.list(container)] == [done.ending]

    @stated_by(HookSpecs.devbench_event, Event)
    async def test_what_happens_is_told_once(self, open_host: OpenHost, observer: Observer):
        async with open_host() as bench:
            container = (await bench.containers.spawn(SpawnRequest())).container.id
            lab = Lab(bench=bench, container=container, has_shell=False)
            await lab.files.write(container, "note", b"")
            await lab.files.delete(container, "note")
            command = await lab.done(await lab.start("not-there"))
            assert command.ending.reason is ExecReason.FAILED_TO_START
            await bench.containers.kill(container)
        told = Counter(each.name for each in observer.told if each.container_id == container)
        assert told == dict.fromkeys(
            ("container.spawned", "file.written", "file.deleted", "exec.ended", "container.ended"), 1
        )

    @stated_by(Containers.reconcile)
    async def test_reconciliation_finds_nothing_more_to_do(self, open_host: OpenHost, kept: str):
        async with open_host() as bench:
            gone = (await bench.containers.spawn(SpawnRequest())).container.id
            await bench.containers.kill(gone)
            report = await bench.containers.reconcile()
            assert not any((report.ended, report.removed, report.unknown, report.failed))
            assert kept in report.adopted
            assert gone not in report.adopted
            assert await on_the_engine(bench) == set(report.adopted)
