"""A repository, and a bench with a container, without an engine."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from git_repository import Repository

from devbench_core.containers import SpawnRequest
from devbench_core.testing.fake import FakeBench, fake_bench
from devbench_tool_git_clone import plugin

pytest_plugins = [
    "devbench_core.testing.pytest_plugin"
]  # the kit's failures name the clause, and what states it


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository."""
    return Repository(tmp_path / "project")


@pytest_asyncio.fixture
async def fake(tmp_path: Path) -> AsyncGenerator[FakeBench]:
    """A bench with the plugin, and a container ``lab``."""
    async with fake_bench(tmp_path / "devbench", plugin) as fake:
        await fake.bench.containers.spawn(SpawnRequest(alias="lab"))
        yield fake
