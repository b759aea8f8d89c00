"""What a runtime promises of what outlives a container's start and a host's life."""

from __future__ import annotations

import attrs
import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import EngineUnreachable
from devbench_core.model.container import Observed, Status
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.runtime_opening import OpenRuntime, WithRuntime
from devbench_core.testing.living import Live, Requests


async def all_of(runtime: Runtime, installation: str) -> dict[str, Observed]:
    return {each.container_id: each async for each in runtime.list(installation)}


@in_time
@pytest.mark.asyncio
@stated_by(Runtime)
class RuntimeLivesContract(WithRuntime):
    """What outlives a container's start, and a host's life."""

    @stated_by(Runtime.create, Runtime.start)
    async def test_a_stopped_container_keeps_its_workspace_when_started_again(
        self, runtime: Runtime, wanted: Requests, live: Live
    ):
        async with live(await wanted()) as container:
            await container.run("/bin/sh", "-c", "echo kept > note")
            await runtime.stop(container.ref, grace_s=10)
        await runtime.start(container.ref)
        async with live.again(container.ref) as again:
            assert (await again.run("/bin/cat", "note")).text == "kept\n"

    @stated_by(Runtime.list)
    async def test_each_installation_sees_its_own_only(
        self, runtime: Runtime, wanted: Requests, context: OpenContext, open_runtime: OpenRuntime
    ):
        mine = await wanted()
        await runtime.create(mine)
        other_context = attrs.evolve(context, installation=f"{context.installation}x")
        async with open_runtime(other_context) as other:
            theirs = await wanted(installation=other_context.installation)
            ref = await other.create(theirs)
            try:
                assert set(await all_of(runtime, context.installation)) == {mine.container_id}
                assert set(await all_of(other, other_context.installation)) == {theirs.container_id}
            finally:
                await other.remove(ref)

    @stated_by(Runtime.create, Runtime.connect)
    async def test_the_next_life_of_the_host_finds_and_reaches_them(
        self, context: OpenContext, open_runtime: OpenRuntime, wanted: Requests, live: Live, runtime: Runtime
    ):
        request = await wanted()
        async with live(request) as container:
            pass
        async with open_runtime(context) as next_life:
            found = (await all_of(next_life, context.installation))[request.container_id]
            assert (found.status, found.ref) == (Status.RUNNING, container.ref)
            async with live.again(container.ref, token=container.token, runtime=next_life) as again:
                assert (await again.run("/bin/echo", "adopted")).text == "adopted\n"

    @stated_by(Runtime, Runtime.inspect)
    async def test_an_engine_that_does_not_answer_is_unreachable_and_nothing_is_gone(
        self,
        runtime: Runtime,
        wanted: Requests,
        context: OpenContext,
        open_cut_off: OpenRuntime | None,
    ):
        if open_cut_off is None:
            pytest.skip("there is no engine to lose (fixture open_cut_off)")
        ref = await runtime.create(await wanted())
        late = await wanted()
        async with open_cut_off(context) as cut_off:
            for call in (cut_off.inspect, cut_off.start, cut_off.remove, cut_off.resolve_image):
                with pytest.raises(EngineUnreachable):
                    await call(ref)
            with pytest.raises(EngineUnreachable):
                await cut_off.create(late)
            with pytest.raises(EngineUnreachable):
                await all_of(cut_off, context.installation)
            with pytest.raises(EngineUnreachable):
                await cut_off.ping()
        assert (await runtime.inspect(ref)).status is Status.CREATING
