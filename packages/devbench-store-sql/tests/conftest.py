"""Opens SQLite stores in a folder of the test."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from devbench_store_sql.opening import opened
from devbench_store_sql.settings import SqlSettings
from devbench_store_sql.store import SqlStore

OpenSql = Callable[..., AbstractAsyncContextManager[SqlStore]]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Give the path of the database that `open_sql` opens."""
    return tmp_path / "state" / "devbench.db"


@pytest.fixture
def open_sql(database: Path) -> OpenSql:
    """Give a function that opens the database with some settings; the content lasts."""

    def open_with(**settings: Any) -> AbstractAsyncContextManager[SqlStore]:
        return opened(SqlSettings(**settings), database.parent)

    return open_with
