"""A container whose image's own entry point is to be run is there only once that has been started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import attrs
import pytest

from devbench_core.containers import SpawnRequest
from devbench_core.errors import ContainerExited, EngineFailed, StoreFailed
from devbench_core.model.container import EndReason, Status
from devbench_core.model.image import Image
from devbench_core.testing.fake.bench import FakeBench, fake_bench
from harness.pools import pools_of, tended

ENTERING = SpawnRequest(run_entrypoint=True, idempotency_key="once", alias="web")
ENTRY = ("sleep", "300")


@pytest.fixture(params=[0, 1], ids=["cold", "warm"])
async def lab(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[FakeBench]:
    async with fake_bench(tmp_path, pools=pools_of(request.param) if request.param else {}) as opened:
        resolve = opened.runtime.resolve_image

        async def with_entry(name: str) -> Image:
            return attrs.evolve(await resolve(name), command=ENTRY)

        monkeypatch.setattr(opened.runtime, "resolve_image", with_entry)
        if request.param:
            await tended(opened.bench)
        yield opened


async def commands(lab: FakeBench, container: str) -> list[tuple[str, ...]]:
    return [each.argv for each in await lab.bench.execs.list(container)]


async def test_it_runs_once_and_the_container_is_running_then(lab: FakeBench):
    spawned = [await lab.bench.containers.spawn(ENTERING) for _ in range(2)]
    assert [each.replayed for each in spawned] == [False, True]
    assert {each.container.status for each in spawned} == {Status.RUNNING}
    assert await commands(lab, "web") == [ENTRY]


async def test_a_repeat_after_an_answer_of_the_store_was_lost_gets_one_in_which_it_runs(lab: FakeBench):
    containers = lab.bench.containers
    lab.store.faults.fail("apply", StoreFailed("the connection broke; outcome unknown"), when="after")
    with pytest.raises(StoreFailed):
        await containers.spawn(ENTERING)
    repeat = asyncio.create_task(containers.spawn(ENTERING))
    await containers.tend()
    got = (await repeat).container
    await containers.tend()
    assert (await containers.get(got.id)).status is Status.RUNNING
    assert await commands(lab, got.id) == [ENTRY]


async def test_until_it_was_started_the_container_counts_as_being_made(
    lab: FakeBench, monkeypatch: pytest.MonkeyPatch
):
    start, seen = lab.bench.execs.start, list[Status]()

    async def looking_before(container: str, *given: object, **named: object) -> object:
        seen.append((await lab.bench.containers.get("web")).status)
        return await start(container, *given, **named)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(lab.bench.execs, "start", looking_before)
    assert (await lab.bench.containers.spawn(ENTERING)).container.status is Status.RUNNING
    assert seen == [Status.CREATING]


async def test_one_that_cannot_be_started_leaves_no_container(
    lab: FakeBench, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object, **__: object) -> None:
        raise EngineFailed("no")

    monkeypatch.setattr(lab.bench.execs, "start", broken)
    with pytest.raises(EngineFailed):
        await lab.bench.containers.spawn(ENTERING)
    [ended] = (await lab.bench.containers.list(include_ended=True)).containers
    assert ended.ending is not None
    assert ended.ending.reason is EndReason.SPAWN_FAILED


async def test_a_kill_meanwhile_is_told(lab: FakeBench, monkeypatch: pytest.MonkeyPatch):
    start = lab.bench.execs.start

    async def killed_meanwhile(container: str, *given: object, **named: object) -> object:
        started = await start(container, *given, **named)  # pyright: ignore[reportArgumentType]
        await lab.bench.containers.kill(container)
        return started

    monkeypatch.setattr(lab.bench.execs, "start", killed_meanwhile)
    with pytest.raises(ContainerExited):
        await lab.bench.containers.spawn(ENTERING)
    assert (await lab.bench.containers.list()).containers == ()
