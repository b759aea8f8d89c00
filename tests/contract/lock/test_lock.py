"""Every lock of ours keeps the contract."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import Provider
from devbench_core.memory import plugin as memory
from devbench_core.testing.kit import LockContract, open_provider

PROVIDERS: dict[str, Provider[Lock]] = {provider.name: provider for provider in memory.devbench_locks()}


class TestLocks(LockContract):
    """In memory."""

    @pytest.fixture(params=sorted(PROVIDERS))
    async def lock(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Lock]:
        """Give an open one."""
        async with open_provider(PROVIDERS[request.param], tmp_path) as opened:
            yield opened
