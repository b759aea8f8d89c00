"""Opens locks on private Redis servers."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Generator
from functools import partial

import pytest

from devbench_core.leases import LeasedLock
from harness.redis_locks import OpenLock, open_on
from harness.redis_server import RedisServer

PREFIXES = (f"test{number}:" for number in itertools.count())


@pytest.fixture(scope="session")
def shared_server() -> Generator[RedisServer]:
    """A server for tests that do it no harm."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """What this test's keys begin with."""
    return next(PREFIXES)


@pytest.fixture
def server() -> Generator[RedisServer]:
    """A server of this test alone."""
    with RedisServer() as alone:
        yield alone


@pytest.fixture
def open_lock(shared_server: RedisServer, prefix: str) -> OpenLock:
    """Give a function that opens one more lock on the shared server, with the keys of this test."""
    return partial(open_on, shared_server.url, prefix=prefix)


@pytest.fixture
async def lock(open_lock: OpenLock) -> AsyncGenerator[LeasedLock]:
    """Give an open lock."""
    async with open_lock() as one:
        yield one
