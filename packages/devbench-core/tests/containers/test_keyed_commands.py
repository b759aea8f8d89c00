"""Commands with keys on whole benches: several hosts, a database, time that passes, containers that end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import ContainerExited
from devbench_core.idempotency import KIND, SWEEP_AFTER_S
from devbench_core.model.execution import Exec, ExecRequest
from devbench_core.testing.fake import FakeClock
from devbench_core.testing.fake.bench import Opener

ONCE = ExecRequest(argv=("sh", "-c", "echo ran >> count"))


async def start(bench: devbench_core.Bench, container: str, request: ExecRequest = ONCE) -> Exec:
    return await bench.execs.start(container, request, idempotency_key="k")


def runs(workspace: Path) -> int:
    return len((workspace / "count").read_text().splitlines())


async def test_hosts_on_one_database_start_one_command(opener: Opener):
    async with opener() as one, opener() as two, opener(serving=False) as three:
        container = (await one.containers.spawn(SpawnRequest(alias="lab"))).container
        started = await asyncio.gather(*(start(bench, "lab") for bench in (one, two, three) * 5))
        assert len({each.id for each in started}) == 1
        assert sum(not each.replayed for each in started) == 1
        await two.execs.wait(started[0].id, wait_s=10)
        assert runs(Path(container.ref) / "workspace") == 1


async def test_the_same_key_in_another_container_is_another_key(bench: devbench_core.Bench):
    containers = [(await bench.containers.spawn(SpawnRequest())).container for _ in "ab"]
    started = [await start(bench, container.id) for container in containers]
    assert [each.container_id for each in started] == [container.id for container in containers]
    assert not any(each.replayed for each in started)


async def test_a_repeat_finds_its_command_also_when_its_container_has_ended(bench: devbench_core.Bench):
    container = (await bench.containers.spawn(SpawnRequest())).container
    first = await start(bench, container.id)
    ended = await bench.execs.wait(first.id, wait_s=10)
    await bench.containers.kill(container.id)
    again = await start(bench, container.id)
    assert (again.replayed, again.id, again.ending) == (True, first.id, ended.ending)
    with pytest.raises(ContainerExited):
        await bench.execs.start(container.id, ONCE, idempotency_key="other")


async def test_a_key_is_remembered_as_long_as_is_configured_and_then_swept(opener: Opener, clock: FakeClock):
    async with opener(execs={"idempotency_ttl_s": 60.0}) as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container
        first = await start(bench, container.id)
        clock.pass_s(59)
        assert (await start(bench, container.id)).id == first.id
        clock.pass_s(1)
        second = await start(bench, container.id)
        assert (second.replayed, second.id != first.id) == (False, True)
        clock.pass_s(60 + SWEEP_AFTER_S)
        await bench.containers.sweep()
        assert (await bench.store.list(KIND)).records == ()
