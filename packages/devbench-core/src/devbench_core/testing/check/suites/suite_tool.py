"""The tools of a plugin keep the contract: before they are called, and where examples are given, called on fakes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from devbench_core.bench import Bench
from devbench_core.containers import SpawnRequest
from devbench_core.testing.check.subject import Subject
from devbench_core.testing.fake import fake_bench
from devbench_core.testing.kit import ToolContract, open_provider
from devbench_core.testing.kit.tools import Examples
from devbench_core.tool import Tool

CONTAINER = "lab"


class TestTools(ToolContract):
    """All of the plugin's."""

    @pytest_asyncio.fixture
    async def tools(self, subject: Subject, tmp_path: Path) -> AsyncGenerator[Sequence[Tool]]:
        """Give them."""
        async with open_provider(subject.provider, tmp_path) as offered:
            yield offered

    @pytest_asyncio.fixture
    async def bench(self, subject: Subject, tmp_path: Path) -> AsyncGenerator[Bench]:
        """Open a bench on fakes, with a container."""
        if not subject.examples:
            pytest.skip("not given: --examples, without which no tool is called")
        async with fake_bench(tmp_path, subject.plugin) as fake:
            await fake.bench.containers.spawn(SpawnRequest(alias=CONTAINER))
            yield fake.bench

    @pytest.fixture
    def examples(self, subject: Subject) -> Examples:
        """Give those that were named."""
        return subject.examples
