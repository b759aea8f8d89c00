"""What an author of a tool does with a bench on fakes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import Field

from devbench_core.containers import SpawnRequest
from devbench_core.errors import ContainerNotFound, EngineUnreachable, StoreFailed, Unauthorised
from devbench_core.hookspecs import hookimpl
from devbench_core.model.caller import Caller
from devbench_core.testing.fake import FakeBench, fake_bench
from devbench_core.tool import Tool, ToolContext, ToolHints, ToolInput, ToolOutput


class LabInput(ToolInput):
    alias: str = Field(description="What the container is called.")


class LabOutput(ToolOutput):
    container: str = Field(description="Its id.")


async def lab(context: ToolContext, given: LabInput) -> LabOutput:
    spawned = await context.bench.containers.spawn(SpawnRequest(alias=given.alias), caller=context.caller)
    return LabOutput(container=spawned.container.id)


class LabPlugin:
    """A plugin with one tool."""

    @hookimpl
    def devbench_tools(self) -> Sequence[Tool]:
        return [
            Tool(
                name="acme_lab",
                title="Make a lab",
                description="Makes a container by the name `alias`. Use it before you run anything.",
                input=LabInput,
                output=LabOutput,
                hints=ToolHints(read_only=False, destructive=False, idempotent=False, open_world=False),
                scope="manage",
                handler=lab,
            )
        ]


async def test_a_tool_is_called_as_clients_call_it(tmp_path: Path):
    async with fake_bench(tmp_path, LabPlugin()) as fake:
        made = await fake.call("acme_lab", alias="x")
        assert await fake.left() == [made["container"]]
        with pytest.raises(Unauthorised):
            await fake.call("acme_lab", alias="y", by=Caller(scopes=frozenset({"read"})))


async def test_a_tool_meets_a_silent_engine_and_works_again_when_it_answers(tmp_path: Path):
    async with fake_bench(tmp_path, LabPlugin()) as fake:
        fake.runtime.fall_silent()
        with pytest.raises(EngineUnreachable):
            await fake.call("acme_lab", alias="x")
        fake.runtime.answer_again()
        await fake.call("acme_lab", alias="x")


async def test_a_tool_meets_a_store_that_fails_once(tmp_path: Path):
    async with fake_bench(tmp_path, LabPlugin()) as fake:
        fake.store.faults.fail("apply", StoreFailed("the disk is full"))
        with pytest.raises(StoreFailed):
            await fake.call("acme_lab", alias="x")
        await fake.call("acme_lab", alias="x")
        assert len(await fake.left()) == 1


async def test_settings_are_changed_by_their_tables(tmp_path: Path):
    async with fake_bench(
        tmp_path, startup={"heartbeat_s": 3, "dead_after_s": 7}, execs={"concurrent_per_container": 1}
    ) as fake:
        assert fake.bench.settings.startup.dead_after_s == 7
        assert fake.bench.settings.startup.engine_wait_s == 0
        assert fake.bench.settings.execs.concurrent_per_container == 1


async def test_a_host_that_ends_takes_its_containers_with_it_and_leaves_those_of_others(fake: FakeBench):
    kept = await fake.bench.containers.spawn(SpawnRequest())
    async with fake.host() as other:
        gone = await other.containers.spawn(SpawnRequest())
    assert await fake.left() == [kept.container.id]
    assert (await fake.bench.containers.get(gone.container.id)).ending is not None


async def test_a_record_is_forgotten_when_its_time_is_over(fake: FakeBench):
    spawned = await fake.bench.containers.spawn(SpawnRequest())
    await fake.bench.containers.kill(spawned.container.id)
    await fake.advance(fake.bench.settings.lifetimes.ended_retention_s + 1)
    with pytest.raises(ContainerNotFound):
        await fake.bench.containers.get(spawned.container.id)
