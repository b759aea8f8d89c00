"""Every test of this folder runs on every store."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from pydantic import BaseModel

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.contracts.store import Store
from devbench_core.memory import plugin as memory
from devbench_store_sql import plugin as sql

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
PROVIDERS: dict[str, Provider[Store]] = {
    provider.name: provider for plugin in (memory, sql) for provider in plugin.devbench_stores()
}


@pytest.fixture(params=sorted(PROVIDERS))
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Give a function that opens the store; a lasting one has the same content each time."""
    provider = PROVIDERS[request.param]
    settings: BaseModel = provider.settings()
    context = OpenContext(
        installation="i_test", state_dir=tmp_path / "state", cache_dir=tmp_path / "cache", clock=SystemClock()
    )
    return lambda: provider.open(settings, context)


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncGenerator[Store]:
    """Give an empty, open store."""
    async with open_store() as opened:
        yield opened
