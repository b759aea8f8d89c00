"""Every lock of ours keeps the contract."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from devbench_core.contracts.lock import Lock
from devbench_core.contracts.provider import Provider
from devbench_core.memory import plugin as memory
from devbench_core.testing.kit import LockContract, open_provider
from devbench_store_sql import plugin as sql
from harness.postgres import Server

PROVIDERS: dict[str, Provider[Lock]] = {
    provider.name: provider for plugin in (memory, sql) for provider in plugin.devbench_locks()
}


class TestLocks(LockContract):
    """In memory, and in SQLite."""

    @pytest.fixture(params=sorted(PROVIDERS))
    async def lock(self, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Lock]:
        """Give an open one."""
        async with open_provider(PROVIDERS[request.param], tmp_path) as opened:
            yield opened


class TestPostgres(LockContract):
    """Several hosts share it."""

    @pytest.fixture
    async def lock(self, postgres_server: Server, tmp_path: Path) -> AsyncGenerator[Lock]:
        """Give an open one on a database of the test's own."""
        settings = {"url": postgres_server.database()}
        async with open_provider(PROVIDERS["sql"], tmp_path, settings=settings) as opened:
            yield opened
