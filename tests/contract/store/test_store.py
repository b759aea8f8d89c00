"""Every store of ours keeps the contract."""

from pathlib import Path

import pytest

from devbench_core.contracts.provider import Provider
from devbench_core.contracts.store import Store
from devbench_core.memory import plugin as memory
from devbench_core.testing.kit import StoreContract, open_provider
from devbench_core.testing.kit.opening import OpenStore
from devbench_store_sql import plugin as sql
from harness.postgres import Server

PROVIDERS: dict[str, Provider[Store]] = {
    provider.name: provider for plugin in (memory, sql) for provider in plugin.devbench_stores()
}


class TestStores(StoreContract):
    """In memory, and SQLite."""

    @pytest.fixture(params=sorted(PROVIDERS))
    def open_store(self, request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
        """Give a function that opens one."""
        return lambda: open_provider(PROVIDERS[request.param], tmp_path)


class TestPostgres(StoreContract):
    """Several hosts share it."""

    @pytest.fixture
    def open_store(self, postgres_server: Server, tmp_path: Path) -> OpenStore:
        """Give a function that opens a database of the test's own."""
        settings = {"url": postgres_server.database()}
        return lambda: open_provider(PROVIDERS["sql"], tmp_path, settings=settings)
