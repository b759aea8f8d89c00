"""What a runtime promises to many callers at once, and to those that go away in the middle."""

from __future__ import annotations

import asyncio

import pytest

from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.runtime import Runtime
from devbench_core.errors import Conflict
from devbench_core.model.container import Status
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.deadline import in_time
from devbench_core.testing.kit.reading import next_piece
from devbench_core.testing.kit.runtime_opening import WithRuntime
from devbench_core.testing.living import Requests

AT_ONCE = 20


@in_time
@pytest.mark.asyncio
@stated_by(Runtime)
class RuntimeConcurrencyContract(WithRuntime):
    """Many calls at once."""

    async def test_twenty_are_made_started_reached_and_removed_at_once(
        self, runtime: Runtime, wanted: Requests, context: OpenContext
    ):
        requests = [await wanted() for _ in range(AT_ONCE)]

        async def whole_life(index: int) -> str:
            ref = await runtime.create(requests[index])
            await runtime.start(ref)
            stream = await runtime.connect(ref)
            assert b"DVBA" in await next_piece(stream)
            await stream.close()
            return ref

        async with asyncio.timeout(100):
            refs = await asyncio.gather(*(whole_life(index) for index in range(AT_ONCE)))
            assert len(set(refs)) == AT_ONCE
            seen = [each async for each in runtime.list(context.installation)]
            assert {each.ref for each in seen} == set(refs)
            assert {each.status for each in seen} == {Status.RUNNING}
            await asyncio.gather(*(runtime.remove(ref) for ref in refs))
        assert [each async for each in runtime.list(context.installation)] == []

    @stated_by(Runtime.create)
    async def test_one_id_makes_one_container(self, runtime: Runtime, wanted: Requests, context: OpenContext):
        request = await wanted()
        outcomes = await asyncio.gather(*(runtime.create(request) for _ in range(3)), return_exceptions=True)
        for each in outcomes:
            if isinstance(each, BaseException) and not isinstance(each, Conflict):
                raise each
        made = [each for each in outcomes if isinstance(each, str)]
        refused = [each for each in outcomes if isinstance(each, Conflict)]
        assert (len(made), len(refused)) == (1, 2)
        assert [each.ref async for each in runtime.list(context.installation)] == made

    async def test_a_create_that_is_cancelled_leaves_only_what_list_and_remove_clean(
        self, runtime: Runtime, wanted: Requests, context: OpenContext
    ):
        """The fixture proves the rest: that nothing is left once what `list` shows was removed."""
        await runtime.remove(await runtime.create(await wanted()))  # what is made once for all is there now
        for delay_ms in (0, 1, 3, 10, 30, 60):
            request = await wanted()
            making = asyncio.create_task(runtime.create(request))
            await asyncio.sleep(delay_ms / 1000)
            making.cancel()
            outcome = (await asyncio.gather(making, return_exceptions=True))[0]
            assert isinstance(outcome, str | asyncio.CancelledError)
        for seen in [each async for each in runtime.list(context.installation)]:
            await runtime.remove(seen.ref)

    async def test_a_start_that_is_cancelled_can_be_repeated_or_removed(
        self, runtime: Runtime, wanted: Requests
    ):
        for delay_ms in (0, 5, 40):
            ref = await runtime.create(await wanted())
            starting = asyncio.create_task(runtime.start(ref))
            await asyncio.sleep(delay_ms / 1000)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await runtime.start(ref)
            stream = await runtime.connect(ref)
            assert b"DVBA" in await next_piece(stream)
            await stream.close()
            await runtime.remove(ref)
