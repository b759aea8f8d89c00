"""What a tool promises by its hints, seen at what it changes."""

from __future__ import annotations

import pytest

from devbench_core.bench import Bench
from devbench_core.model.link import LinkMaker
from devbench_core.testing.kit.clauses import stated_by
from devbench_core.testing.kit.tool_examples import Examples, WithExamples, all_of, call
from devbench_core.testing.kit.tool_schemas import agree
from devbench_core.testing.kit.tool_state import state_of
from devbench_core.tool import ToolHints


@stated_by(ToolHints)
class ToolHintsContract(WithExamples):
    """What a plugin's tools promise by their hints. Needs what `WithExamples` says."""

    @pytest.mark.asyncio
    async def test_read_only_tools_change_nothing(
        self, bench: Bench, examples: Examples, links: LinkMaker | None
    ):
        faults: list[str] = []
        before = await state_of(bench)
        for name, arguments in all_of(examples):
            if bench.tools[name].hints.read_only:
                await call(bench, name, arguments, links)
                after = await state_of(bench)
                faults += [f"{name}: {change}" for change in before.changes_to(after)]
                before = after
        agree(faults)

    @pytest.mark.asyncio
    async def test_tools_that_end_or_take_away_say_that_they_are_destructive(
        self, bench: Bench, examples: Examples, links: LinkMaker | None
    ):
        faults: list[str] = []
        before = await state_of(bench)
        for name, arguments in all_of(examples):
            if not bench.tools[name].hints.destructive:
                await call(bench, name, arguments, links)
                after = await state_of(bench)
                faults += [f"{name}: {change}" for change in before.taken_until(after)]
                before = after
        agree(faults)

    @pytest.mark.asyncio
    async def test_a_repeat_of_an_idempotent_tool_makes_nothing_new(
        self, bench: Bench, examples: Examples, links: LinkMaker | None
    ):
        faults: list[str] = []
        for name, arguments in all_of(examples):
            if bench.tools[name].hints.idempotent:
                await call(bench, name, arguments, links)
                once = await state_of(bench)
                await call(bench, name, arguments, links)
                faults += [f"{name}: {change}" for change in once.made_until(await state_of(bench))]
        agree(faults)
