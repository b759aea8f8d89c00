"""What a tool promises about its results, its errors and its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from devbench_core.bench import Bench
from devbench_core.errors import DevbenchError, EngineUnreachable, StoreFailed
from devbench_core.model.link import LinkMaker
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.tool_examples import Examples, WithExamples, all_of, call
from devbench_core.testing.kit.tool_schemas import agree, result_of, validator
from devbench_core.testing.kit.tool_stand_ins import Failing, Silent, with_parts
from devbench_core.tool import Tool
from devbench_core.tools.call import call_tool, error_payload

SECRET = "the-password-is-hunter2"  # noqa: S105 - what must not be shown
DEADLINE_S = 5.0
TURNS = 20
"""Of the event loop, in which a tool comes to where it waits."""
left_unawaited = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
"""A tool may have prepared several calls of core before the first of them fails."""


@stated_by(Tool, call_tool)
class ToolCallsContract(WithExamples):
    """What a plugin's tools promise about results, errors and ends. Needs what `WithExamples` says."""

    def test_every_tool_is_offered_and_has_an_example(
        self, tools: Sequence[Tool], bench: Bench, examples: Examples
    ):
        faults = [f"{tool.name} is not offered" for tool in tools if tool.name not in bench.tools]
        agree([*faults, *(f"{tool.name} has no example" for tool in tools if not examples.get(tool.name))])

    @pytest.mark.asyncio
    async def test_examples_succeed_with_results_that_fit_their_schema(
        self, bench: Bench, examples: Examples, links: LinkMaker | None
    ):
        faults: list[str] = []
        for name, arguments in all_of(examples):
            result = await call(bench, name, arguments, links)
            if isinstance(result, DevbenchError):
                faults.append(f"{name} {arguments!r} failed: {result.code}: {result}")
                continue
            errors = validator(result_of(bench.tools[name])).iter_errors(result)
            faults += [f"the result of {name} does not fit its schema: {error.message}" for error in errors]
        agree(faults)

    @left_unawaited
    @pytest.mark.asyncio
    @pytest.mark.parametrize(
        "error",
        [StoreFailed("the store is away"), EngineUnreachable("the engine is away")],
        ids=lambda e: e.code,
    )
    async def test_an_error_of_core_arrives_with_its_code(
        self, bench: Bench, examples: Examples, links: LinkMaker | None, error: DevbenchError
    ):
        faults: list[str] = []
        for name, arguments in all_of(examples):
            result = await call(with_parts(bench, Failing(error)), name, arguments, links)
            if isinstance(result, DevbenchError) and result.code != error.code:
                faults.append(f"{name} failed as {result.code} when core failed as {error.code}")
        agree(faults)

    @left_unawaited
    @pytest.mark.asyncio
    async def test_an_unexpected_error_never_shows_what_is_inside(
        self, bench: Bench, examples: Examples, links: LinkMaker | None
    ):
        faults: list[str] = []
        for name, arguments in all_of(examples):
            failing = with_parts(bench, Failing(RuntimeError(SECRET)))
            result = await call(failing, name, arguments, links)
            shown = error_payload(result) if isinstance(result, DevbenchError) else result
            if SECRET in json.dumps(shown):
                faults.append(f"{name} shows the text of an unexpected error: {json.dumps(shown)[:300]}")
        agree(faults)

    @pytest.mark.asyncio
    async def test_a_cancelled_call_ends(self, bench: Bench, examples: Examples, links: LinkMaker | None):
        faults: list[str] = []
        for name, arguments in all_of(examples):
            task = asyncio.create_task(call(with_parts(bench, Silent()), name, arguments, links))
            for _ in range(TURNS):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=DEADLINE_S)
            if not task.done():
                faults.append(f"{name} goes on although its call was cancelled")
                await _break_off(task)
        agree(faults)


async def _break_off(task: asyncio.Task[Any]) -> None:
    """End a task that does not let itself be cancelled, so that the test ends and not only its verdict."""
    coroutine: Any = task.get_coro()
    coroutine.close()
    task.cancel()
    await asyncio.wait([task], timeout=DEADLINE_S)
    if task.done() and not task.cancelled():
        task.exception()  # asked for, so that nobody is told of it
