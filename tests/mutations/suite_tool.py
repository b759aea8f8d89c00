"""The kit bound to a tool on a fake bench, as its author would."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import attrs
import pytest_asyncio

from devbench_core.bench import Bench
from devbench_core.containers import SpawnRequest
from devbench_core.hookspecs import hookimpl
from devbench_core.testing.check.subject import Subject
from devbench_core.testing.fake import fake_bench
from devbench_core.testing.kit import ToolContract, open_provider
from devbench_core.testing.kit.tools import Examples
from devbench_core.tool import Tool
from mutations.tools import WITHOUT_EXAMPLE


@attrs.frozen(eq=False)
class Plugin:
    """Offers the tool."""

    tools: Sequence[Tool]

    @hookimpl
    def devbench_tools(self) -> Sequence[Tool]:
        return self.tools


class TestTool(ToolContract):
    """Called in a container with a file."""

    @pytest_asyncio.fixture
    async def tools(self, subject: Subject, tmp_path: Path) -> AsyncGenerator[Sequence[Tool]]:
        async with open_provider(subject.provider, tmp_path) as tool:
            yield [tool]

    @pytest_asyncio.fixture
    async def bench(self, tools: Sequence[Tool], tmp_path: Path) -> AsyncGenerator[Bench]:
        async with fake_bench(tmp_path, Plugin(tools)) as fake:
            yield fake.bench

    @pytest_asyncio.fixture
    async def examples(self, bench: Bench, tools: Sequence[Tool]) -> Examples:
        spawned = await bench.containers.spawn(SpawnRequest(alias="lab"))
        await bench.files.write("lab", "a", b"a")
        return (
            {} if tools[0].name == WITHOUT_EXAMPLE else {tools[0].name: [{"container": spawned.container.id}]}
        )
