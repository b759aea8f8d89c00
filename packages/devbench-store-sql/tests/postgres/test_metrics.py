"""What operators see of the connections, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from devbench_core.contracts.store import Put
from devbench_core.errors import StoreFailed
from devbench_core.metrics import registry
from devbench_store_sql.postgres.connections import Connection
from devbench_store_sql.postgres.failures import Raced
from devbench_store_sql.postgres.store import PostgresStore
from harness.postgres import Server

OpenPostgres = Callable[..., AbstractAsyncContextManager[PostgresStore]]
DEADLINE_S = 20
STEP_S = 0.01
END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"


def value(name: str, **labels: str) -> float:
    return registry().get_sample_value(f"devbench_postgresql_{name}", labels) or 0


async def becomes(name: str, wanted: float) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while value(name) != wanted:
            await asyncio.sleep(STEP_S)


async def test_the_pool_tells_its_size_what_is_in_use_and_who_waits_how_long(open_postgres: OpenPostgres):
    waited = value("pool_wait_seconds_count")
    go = asyncio.Event()

    async def busy(connection: Connection) -> None:
        await connection.fetchval("SELECT 1")
        await go.wait()

    async with open_postgres(pool_size=2, pool_overflow=0) as store:
        reads = [asyncio.create_task(store.readers.read(busy)) for _ in range(5)]
        await becomes("pool_in_use", 2)
        await becomes("pool_waiting", 3)
        assert value("pool_size") == 2
        go.set()
        await asyncio.gather(*reads)
        assert (value("pool_in_use"), value("pool_waiting"), value("pool_size")) == (0, 0, 2)
        assert value("pool_wait_seconds_count") == waited + 5
    assert value("pool_size") == 0


async def test_connections_in_the_place_of_broken_ones_are_counted(
    open_postgres: OpenPostgres, postgres_server: Server, url: str
):
    name = url.partition("@/")[2].partition("?")[0]
    async with open_postgres() as store:
        await store.apply(Put(kind="k", key="a", data={}))
        await store.get("k", "a")
        before = {use: value("connects_total", use=use) for use in ("read", "write")}
        await asyncio.to_thread(postgres_server.psql, END_ALL.format(name=name))
        await store.apply(Put(kind="k", key="a", data={}))
        await store.get("k", "a")
    assert value("connects_total", use="write") == before["write"] + 1
    assert value("connects_total", use="read") == before["read"] + 1


async def test_attempts_that_are_repeated_are_counted_by_their_reason(open_postgres: OpenPostgres):
    before = {reason: value("retries_total", reason=reason) for reason in ("broken", "conflict")}
    left = [ConnectionResetError(), Raced("somebody was first"), Raced("again")]

    async def unlucky(_: Connection) -> None:
        if left:
            raise left.pop()

    async with open_postgres() as store:
        await store.readers.read(unlucky)
    assert value("retries_total", reason="broken") == before["broken"] + 1
    assert value("retries_total", reason="conflict") == before["conflict"] + 2


async def test_who_waits_in_vain_is_counted_no_longer(open_postgres: OpenPostgres):
    go = asyncio.Event()

    async def busy(_: Connection) -> None:
        await go.wait()

    async with open_postgres(pool_size=1, pool_overflow=0, pool_timeout_s=0.05) as store:
        first = asyncio.create_task(store.readers.read(busy))
        await becomes("pool_in_use", 1)
        with pytest.raises(StoreFailed, match="no connection was free"):
            await store.get("k", "a")
        assert value("pool_waiting") == 0
        go.set()
        await first
