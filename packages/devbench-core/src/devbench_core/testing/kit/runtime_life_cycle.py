"""What a runtime promises of creating, starting, looking at, stopping and removing."""

from __future__ import annotations

import asyncio
import time

import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import LABEL_CONTAINER, AgentProgram, CreateRequest, Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import ContainerExited, ContainerNotFound
from devbench_core.model.container import Observed, Status
from devbench_core.model.policy import Clause, Policy
from devbench_core.testing.kit.claims import Claims, Trait, needs
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.reading import next_piece
from devbench_core.testing.kit.runtime_opening import WithRuntime
from devbench_core.testing.living import Live, Requests
from devbench_core.testing.seeing import processes_with, until

MEBIBYTE = 1024 * 1024


async def all_of(runtime: Runtime, installation: str) -> dict[str, Observed]:
    return {each.container_id: each async for each in runtime.list(installation)}


async def tell(runtime: Runtime, ref: str, order: bytes) -> ByteStream:
    stream = await runtime.connect(ref)
    assert (await next_piece(stream)).startswith(b"DVBA")
    await stream.write(order)
    return stream


@in_time
@pytest.mark.asyncio
@stated_by(Runtime)
class RuntimeLifeCycleContract(WithRuntime):
    """How a container is made, runs, and ends."""

    @stated_by(Runtime.create, Runtime.start, Runtime.inspect, Observed)
    async def test_a_container_is_made_then_runs_then_is_gone(self, runtime: Runtime, wanted: Requests):
        request = await wanted()
        ref = await runtime.create(request)
        made = await runtime.inspect(ref)
        assert (made.status, made.container_id, made.ref) == (Status.CREATING, request.container_id, ref)
        assert made.started_at is None
        assert made.exit_code is None

        await runtime.start(ref)
        running = await runtime.inspect(ref)
        assert running.status is Status.RUNNING
        assert running.started_at is not None
        assert running.started_at.tzinfo is not None
        assert running.finished_at is None

        await runtime.remove(ref)
        with pytest.raises(ContainerNotFound):
            await runtime.inspect(ref)

    @stated_by(CreateRequest, Runtime.list)
    async def test_all_labels_are_on_it(self, runtime: Runtime, wanted: Requests, context: OpenContext):
        request = await wanted()
        ref = await runtime.create(request)
        for seen in (
            await runtime.inspect(ref),
            (await all_of(runtime, context.installation))[request.container_id],
        ):
            assert request.labels.items() <= seen.labels.items()
            assert seen.labels[LABEL_CONTAINER] == request.container_id

    @stated_by(Runtime.start)
    async def test_starting_twice_is_starting_once(self, runtime: Runtime, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            before = await runtime.inspect(container.ref)
            await runtime.start(container.ref)
            assert (await runtime.inspect(container.ref)).started_at == before.started_at
            assert (await container.run("/bin/echo", "still here")).text == "still here\n"

    @stated_by(Runtime.stop, Observed)
    async def test_the_agent_ends_well_within_the_grace(
        self, runtime: Runtime, wanted: Requests, live: Live, claims: Claims
    ):
        async with live(await wanted()) as container:
            began = time.monotonic()
            await runtime.stop(container.ref, grace_s=20)
            assert time.monotonic() - began < 10
            seen = await runtime.inspect(container.ref)
            assert (seen.status, seen.out_of_memory) == (Status.EXITED, False)
            assert seen.exit_code == 0 if Trait.EXIT_CODES in claims.traits else seen.exit_code is None
            assert seen.finished_at is not None
            assert seen.started_at is not None
            assert seen.started_at <= seen.finished_at

    @stated_by(Runtime.stop)
    async def test_who_ignores_the_stop_is_killed_after_the_grace(
        self, runtime: Runtime, wanted: Requests, standin: AgentProgram
    ):
        ref = await runtime.create(await wanted(agent=standin))
        await runtime.start(ref)
        stream = await tell(runtime, ref, b"h")
        assert await next_piece(stream) == b"h"
        began = time.monotonic()
        await runtime.stop(ref, grace_s=1)
        assert 0.9 < time.monotonic() - began < 15
        assert (await runtime.inspect(ref)).status is Status.EXITED
        await stream.close()

    @stated_by(Runtime.stop)
    async def test_stopping_what_is_stopped_or_absent_is_fine(self, runtime: Runtime, wanted: Requests):
        ref = await runtime.create(await wanted())
        await runtime.start(ref)
        await runtime.stop(ref, grace_s=5)
        await runtime.stop(ref, grace_s=5)
        await runtime.remove(ref)
        await runtime.stop(ref, grace_s=5)

    @stated_by(Runtime.remove)
    async def test_a_container_that_was_only_made_is_removed(self, runtime: Runtime, wanted: Requests):
        ref = await runtime.create(await wanted())
        await runtime.remove(ref)
        with pytest.raises(ContainerNotFound):
            await runtime.inspect(ref)

    @stated_by(Runtime.remove)
    async def test_removing_twice_at_once_and_again_is_fine(self, runtime: Runtime, wanted: Requests):
        ref = await runtime.create(await wanted())
        await runtime.start(ref)
        await asyncio.gather(*(runtime.remove(ref) for _ in range(3)))
        await runtime.remove(ref)

    @needs(Trait.SEEN_PROCESSES)
    @stated_by(Runtime.remove)
    async def test_removing_leaves_no_process(self, runtime: Runtime, wanted: Requests, live: Live):
        async with live(await wanted()) as container:
            marker = f"31415.{container.ref[-6:].translate({ord(c): '7' for c in 'abcdef'})}"
            script = f"(setsid sleep {marker} &) ; sleep {marker} & echo begun"
            assert (await container.run("/bin/sh", "-c", script)).text == "begun\n"
            await until(lambda: len(processes_with(marker)) >= 2)
            await runtime.remove(container.ref)
            await until(lambda: not processes_with(marker))

    @stated_by(Runtime.inspect, Runtime.start, Runtime.connect)
    async def test_what_is_not_there_is_not_found(self, runtime: Runtime, wanted: Requests):
        ref = await runtime.create(await wanted())
        await runtime.remove(ref)
        for call in (runtime.inspect, runtime.start, runtime.connect):
            with pytest.raises(ContainerNotFound) as refused:
                await call(ref)
            assert refused.value.code == "container_not_found"

    @needs(Trait.EXIT_CODES)
    @stated_by(Observed, Runtime.connect)
    async def test_an_exit_by_itself_is_seen_with_its_code(
        self, runtime: Runtime, wanted: Requests, standin: AgentProgram
    ):
        ref = await runtime.create(await wanted(agent=standin))
        await runtime.start(ref)
        stream = await tell(runtime, ref, b"x")
        while await next_piece(stream):
            pass
        seen = await until(lambda: runtime.inspect(ref), lambda seen: seen.status is Status.EXITED)
        assert (seen.exit_code, seen.out_of_memory) == (7, False)
        with pytest.raises(ContainerExited):
            await runtime.connect(ref)
        await stream.close()

    @needs(Clause.MEMORY)
    @stated_by(Observed)
    async def test_a_container_killed_for_its_memory_says_so(
        self, runtime: Runtime, wanted: Requests, standin: AgentProgram, policy: Policy
    ):
        small = attrs.evolve(policy, memory_bytes=32 * MEBIBYTE, cpus=None, pids=None)
        ref = await runtime.create(await wanted(agent=standin, policy=small))
        await runtime.start(ref)
        stream = await tell(runtime, ref, b"m")
        seen = await until(lambda: runtime.inspect(ref), lambda seen: seen.status is Status.EXITED)
        assert seen.out_of_memory
        await stream.close()
