"""Creating, starting, looking at, stopping and removing, once and again."""

import asyncio
import time

import pytest

from contract.runtime.fixtures import Live, OpenRuntime, Requests
from contract.runtime.seeing import processes_with, until
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import LABEL_CONTAINER, AgentProgram, Runtime
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import ContainerExited, ContainerNotFound
from devbench_core.model.container import Observed, Status
from devbench_core.model.policy import Clause, Policy

MEBIBYTE = 1024 * 1024


async def all_of(runtime: Runtime, installation: str) -> dict[str, Observed]:
    return {each.container_id: each async for each in runtime.list(installation)}


async def tell(runtime: Runtime, ref: str, order: bytes) -> ByteStream:
    stream = await runtime.connect(ref)
    assert (await stream.read()).startswith(b"DVBA")
    await stream.write(order)
    return stream


async def test_a_container_is_made_then_runs_then_is_gone(runtime: Runtime, wanted: Requests):
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


async def test_all_labels_are_on_it(runtime: Runtime, wanted: Requests, context: OpenContext):
    request = await wanted()
    ref = await runtime.create(request)
    for seen in (
        await runtime.inspect(ref),
        (await all_of(runtime, context.installation))[request.container_id],
    ):
        assert request.labels.items() <= seen.labels.items()
        assert seen.labels[LABEL_CONTAINER] == request.container_id


async def test_starting_twice_is_starting_once(runtime: Runtime, wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        before = await runtime.inspect(container.ref)
        await runtime.start(container.ref)
        assert (await runtime.inspect(container.ref)).started_at == before.started_at
        assert (await container.run("/bin/echo", "still here")).text == "still here\n"


async def test_the_agent_ends_well_within_the_grace(runtime: Runtime, wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        began = time.monotonic()
        await runtime.stop(container.ref, grace_s=20)
        assert time.monotonic() - began < 10
        seen = await runtime.inspect(container.ref)
        assert (seen.status, seen.exit_code, seen.out_of_memory) == (Status.EXITED, 0, False)
        assert seen.finished_at is not None
        assert seen.started_at is not None
        assert seen.started_at <= seen.finished_at


async def test_who_ignores_the_stop_is_killed_after_the_grace(
    runtime: Runtime, wanted: Requests, ending_agent: AgentProgram
):
    ref = await runtime.create(await wanted(agent=ending_agent))
    await runtime.start(ref)
    stream = await tell(runtime, ref, b"h")
    assert await stream.read() == b"h"
    began = time.monotonic()
    await runtime.stop(ref, grace_s=1)
    assert 0.9 < time.monotonic() - began < 15
    assert (await runtime.inspect(ref)).status is Status.EXITED
    await stream.close()


async def test_stopping_what_is_stopped_or_absent_is_fine(runtime: Runtime, wanted: Requests):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    await runtime.stop(ref, grace_s=5)
    await runtime.stop(ref, grace_s=5)
    await runtime.remove(ref)
    await runtime.stop(ref, grace_s=5)


async def test_a_container_that_was_only_made_is_removed(runtime: Runtime, wanted: Requests):
    ref = await runtime.create(await wanted())
    await runtime.remove(ref)
    with pytest.raises(ContainerNotFound):
        await runtime.inspect(ref)


async def test_removing_twice_at_once_and_again_is_fine(runtime: Runtime, wanted: Requests):
    ref = await runtime.create(await wanted())
    await runtime.start(ref)
    await asyncio.gather(*(runtime.remove(ref) for _ in range(3)))
    await runtime.remove(ref)


async def test_removing_leaves_no_process(runtime: Runtime, wanted: Requests, live: Live):
    async with live(await wanted()) as container:
        marker = f"31415.{container.ref[-6:].translate({ord(c): '7' for c in 'abcdef'})}"
        script = f"(setsid sleep {marker} &) ; sleep {marker} & echo begun"
        assert (await container.run("/bin/sh", "-c", script)).text == "begun\n"
        await until(lambda: len(processes_with(marker)) >= 2)
        await runtime.remove(container.ref)
        await until(lambda: not processes_with(marker))


async def test_what_is_not_there_is_not_found(runtime: Runtime, wanted: Requests):
    ref = await runtime.create(await wanted())
    await runtime.remove(ref)
    for call in (runtime.inspect, runtime.start, runtime.connect):
        with pytest.raises(ContainerNotFound) as refused:
            await call(ref)
        assert refused.value.code == "container_not_found"


async def test_an_exit_by_itself_is_seen_with_its_code(
    runtime: Runtime, wanted: Requests, ending_agent: AgentProgram
):
    ref = await runtime.create(await wanted(agent=ending_agent))
    await runtime.start(ref)
    stream = await tell(runtime, ref, b"x")
    while await stream.read():
        pass
    seen = await until(lambda: runtime.inspect(ref), lambda seen: seen.status is Status.EXITED)
    assert (seen.exit_code, seen.out_of_memory) == (7, False)
    with pytest.raises(ContainerExited):
        await runtime.connect(ref)
    await stream.close()


async def test_a_container_killed_for_its_memory_says_so(
    runtime: Runtime, wanted: Requests, ending_agent: AgentProgram
):
    if Clause.MEMORY not in runtime.capabilities.enforces:
        pytest.skip(f"memory is not bounded here: {runtime.capabilities.reasons[Clause.MEMORY]}")
    policy = Policy(memory_bytes=32 * MEBIBYTE, cpus=None, pids=None)
    ref = await runtime.create(await wanted(agent=ending_agent, policy=policy))
    await runtime.start(ref)
    stream = await tell(runtime, ref, b"m")
    seen = await until(lambda: runtime.inspect(ref), lambda seen: seen.status is Status.EXITED)
    assert seen.out_of_memory
    await stream.close()


async def test_a_stopped_container_keeps_its_workspace_when_started_again(
    runtime: Runtime, wanted: Requests, live: Live
):
    async with live(await wanted()) as container:
        await container.run("/bin/sh", "-c", "echo kept > /workspace/note")
        await runtime.stop(container.ref, grace_s=10)
    await runtime.start(container.ref)
    async with live.again(container.ref) as again:
        assert (await again.run("/bin/cat", "/workspace/note")).text == "kept\n"


async def test_each_installation_sees_its_own_only(
    runtime: Runtime, wanted: Requests, context: OpenContext, open_runtime: OpenRuntime
):
    mine = await wanted()
    await runtime.create(mine)
    other_context = OpenContext(
        installation=f"{context.installation}x",
        state_dir=context.state_dir,
        cache_dir=context.cache_dir,
        clock=context.clock,
    )
    async with open_runtime(other_context) as other:
        theirs = await wanted(installation=other_context.installation)
        ref = await other.create(theirs)
        try:
            assert set(await all_of(runtime, context.installation)) == {mine.container_id}
            assert set(await all_of(other, other_context.installation)) == {theirs.container_id}
        finally:
            await other.remove(ref)


async def test_the_next_life_of_the_host_finds_and_reaches_them(
    context: OpenContext, open_runtime: OpenRuntime, wanted: Requests, live: Live, runtime: Runtime
):
    request = await wanted()
    async with live(request) as container:
        pass
    async with open_runtime(context) as next_life:
        found = (await all_of(next_life, context.installation))[request.container_id]
        assert (found.status, found.ref) == (Status.RUNNING, container.ref)
        async with live.again(container.ref, token=container.token, runtime=next_life) as again:
            assert (await again.run("/bin/echo", "adopted")).text == "adopted\n"
