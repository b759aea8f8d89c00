"""The lock keeps devbench's contract."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from devbench_core.contracts.lock import Lock
from devbench_core.testing.kit import LockContract, open_provider
from devbench_lock_flock import plugin

(PROVIDER,) = plugin.devbench_locks()


class TestFlock(LockContract):
    """Every clause, on a lock on which nothing is held."""

    @pytest_asyncio.fixture
    async def lock(self, tmp_path: Path) -> AsyncGenerator[Lock]:
        """Open it."""
        async with open_provider(PROVIDER, tmp_path) as opened:
            yield opened
