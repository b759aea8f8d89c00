"""Every test of this folder runs on every lock."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from devbench_core.clock import SystemClock
from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import OpenContext, Provider
from devbench_core.memory import plugin as memory

PROVIDERS: dict[str, Provider[Lock]] = {
    provider.name: provider for plugin in (memory,) for provider in plugin.devbench_locks()
}


@pytest.fixture(params=sorted(PROVIDERS))
async def lock(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Lock]:
    """Give an open lock on which nothing is held."""
    provider = PROVIDERS[request.param]
    context = OpenContext(
        installation="i_test", state_dir=tmp_path / "state", cache_dir=tmp_path / "cache", clock=SystemClock()
    )
    async with provider.open(provider.settings(), context) as opened:
        yield opened
