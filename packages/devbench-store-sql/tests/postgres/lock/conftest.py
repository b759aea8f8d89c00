"""Opens locks in a database of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from devbench_core.leases import LeasedLock
from harness.postgres import Server
from harness.shared_locks import open_lock

OpenLock = Callable[..., AbstractAsyncContextManager[LeasedLock]]
Ask = Callable[[str], Awaitable[str]]


@pytest.fixture
def opened(url: str) -> OpenLock:
    """Give a function that opens one more lock in the test's database, as one more host would."""
    return partial(open_lock, url)


@pytest.fixture
def ask(postgres_server: Server, url: str) -> Ask:
    """Give a function that asks the database as an administrator would."""
    name = url.split("@/")[1].partition("?")[0]
    return lambda statement: asyncio.to_thread(postgres_server.psql, statement, name)
