"""Ends that nobody asked for, and the record that says what happened."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

import devbench_core
from devbench_core import metrics
from devbench_core.containers import SpawnRequest
from devbench_core.errors import ContainerNotFound, ValidationFailed
from devbench_core.model.container import Container, EndReason, Status
from devbench_core.model.execution import ExecRequest
from devbench_core.testing.fake import FakeClock, FakeRuntime
from devbench_core.testing.fake.bench import Opener
from devbench_core.testing.local import _pid  # pyright: ignore[reportPrivateUsage]
from devbench_core.tools.call import call_tool


async def spawn(bench: devbench_core.Bench, **wishes: object) -> Container:
    spawned = await bench.containers.spawn(SpawnRequest(**wishes))  # pyright: ignore[reportArgumentType]
    return spawned.container


def ending_of(container: Container) -> EndReason | None:
    return container.ending.reason if container.ending else None


async def test_a_time_to_live_is_enforced_by_a_lifespan(opener: Opener, clock: FakeClock):
    async with opener(lifetimes={"check_interval_s": 0.05}) as bench:
        container = await spawn(bench, ttl_s=60.0)
        lasting = await spawn(bench)
        clock.pass_s(61)
        async with asyncio.timeout(10):
            while (await bench.containers.get(container.id)).status is not Status.GONE:
                await asyncio.sleep(0.01)
        assert ending_of(await bench.containers.get(container.id)) is EndReason.EXPIRED
        assert (await bench.containers.get(lasting.id)).ending is None


async def test_an_idle_container_ends_and_a_used_one_stays(bench: devbench_core.Bench, clock: FakeClock):
    idle, used = await spawn(bench, idle_timeout_s=60.0), await spawn(bench, idle_timeout_s=60.0)
    clock.pass_s(50)
    await bench.containers.attach(used.id, client="test")
    clock.pass_s(20)
    await bench.containers.sweep()
    assert ending_of(await bench.containers.get(idle.id)) is EndReason.IDLE
    assert (await bench.containers.get(used.id)).ending is None


async def test_a_container_with_a_running_command_is_not_idle(bench: devbench_core.Bench, clock: FakeClock):
    busy = await spawn(bench, idle_timeout_s=60.0)
    run = await bench.execs.start(busy.id, ExecRequest(argv=("sleep", "600")))
    clock.pass_s(120)
    await bench.containers.sweep()
    assert (await bench.containers.get(busy.id)).ending is None
    await bench.execs.cancel(run.id)


async def test_an_agent_that_dies_is_an_exit_by_the_engine(bench: devbench_core.Bench):
    container = await spawn(bench)
    pid, _ = _pid(Path(container.ref))
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        while (await bench.containers.inspect(container.id)).ending is None:
            await asyncio.sleep(0.01)
    found = await bench.containers.get(container.id)
    assert ending_of(found) is EndReason.EXITED
    assert found.ending is not None
    assert found.ending.by == "engine"


async def test_a_container_removed_behind_our_back_is_lost(bench: devbench_core.Bench, runtime: FakeRuntime):
    container = await spawn(bench)
    await runtime.remove(container.ref)
    await bench.containers.sweep()
    assert ending_of(await bench.containers.get(container.id)) is EndReason.LOST


async def test_a_killed_container_has_one_ending_whoever_kills_it_again(bench: devbench_core.Bench):
    container = await spawn(bench)
    endings = await asyncio.gather(*(bench.containers.kill(container.id) for _ in range(10)))
    assert len({(e.ending.at, e.ending.reason) for e in endings if e.ending}) == 1
    assert all(e.status is Status.GONE for e in endings)


async def test_the_ending_stays_for_its_retention_and_goes_then(bench: devbench_core.Bench, clock: FakeClock):
    container = await spawn(bench)
    await bench.containers.kill(container.id)
    clock.pass_s(6 * 86400)
    await bench.containers.sweep()
    assert ending_of(await bench.containers.get(container.id)) is EndReason.KILLED
    clock.pass_s(2 * 86400)
    await bench.containers.sweep()
    with pytest.raises(ContainerNotFound):
        await bench.containers.get(container.id)


async def test_listings_filter_by_labels_and_come_in_pages(bench: devbench_core.Bench):
    for number in range(5):
        await spawn(bench, labels={"n": str(number), "team": "x" if number % 2 else "y"})
    page = await bench.containers.list(labels={"team": "y"}, limit=2)
    rest = await bench.containers.list(labels={"team": "y"}, limit=2, after=page.cursor)
    assert sorted(c.spec.labels["n"] for c in (*page.containers, *rest.containers)) == ["0", "2", "4"]
    assert rest.cursor == ""
    assert (await bench.containers.list(labels={"team": "y", "n": "1"})).containers == ()
    with pytest.raises(ValidationFailed):
        await bench.containers.list(limit=0)


async def test_attach_answers_with_what_a_client_needs_and_records_its_interest(bench: devbench_core.Bench):
    container = await spawn(bench, alias="lab")
    run = await bench.execs.start("lab", ExecRequest(argv=("sleep", "600")))
    attached = await bench.containers.attach("lab", client="editor", session="s1")
    assert attached.container.id == container.id
    assert [e.id for e in attached.execs] == [run.id]
    assert str(attached.workspace) == "/workspace"
    interest = await bench.store.list("attachment", terms=frozenset({f"container={container.id}"}))
    assert [r.data["client"] for r in interest.records] == ["editor"]
    await bench.execs.cancel(run.id)


async def test_a_clean_shutdown_kills_what_is_not_persistent(opener: Opener):
    async with opener() as bench:
        fleeting, lasting = await spawn(bench), await spawn(bench, persistent=True)
    async with opener() as bench:
        assert ending_of(await bench.containers.get(fleeting.id)) is EndReason.KILLED
        assert (await bench.containers.inspect(lasting.id)).status is Status.RUNNING
        await bench.containers.kill(lasting.id)


async def test_a_short_command_leaves_all_containers_alone(opener: Opener):
    async with opener() as host:
        container = await spawn(host)
        async with opener(serving=False) as visitor:
            assert (await visitor.containers.get(container.id)).status is Status.RUNNING
        assert (await host.containers.inspect(container.id)).ending is None


async def test_the_status_and_the_metrics_count_running_and_ended_commands(bench: devbench_core.Bench):
    def ended() -> float:
        return metrics.registry().get_sample_value("devbench_execs_ended_total", {"reason": "cancelled"}) or 0

    before = ended()
    container = await spawn(bench)
    run = await bench.execs.start(container.id, ExecRequest(argv=("sleep", "600")))
    status = await call_tool(bench, "status", {})
    assert status.structured["counts"] == {"containers": 1, "execs_running": 1}
    await bench.execs.cancel(run.id)
    assert bench.execs.running_here == 0
    assert ended() == before + 1
