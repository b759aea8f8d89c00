"""Opens stores on a database of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from devbench_store_sql.postgres.opening import opened
from devbench_store_sql.postgres.store import PostgresStore
from devbench_store_sql.settings import SqlSettings
from harness.postgres import Server

OpenPostgres = Callable[..., AbstractAsyncContextManager[PostgresStore]]


@pytest.fixture
def url(postgres_server: Server) -> str:
    """Give the address of an empty database."""
    return postgres_server.database()


@pytest.fixture
def open_postgres(url: str) -> OpenPostgres:
    """Give a function that opens that database as one more host would."""

    def open_with(**settings: Any) -> AbstractAsyncContextManager[PostgresStore]:
        return opened(SqlSettings.model_validate({"url": url, **settings}))

    return open_with
