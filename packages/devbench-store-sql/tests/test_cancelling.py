"""A caller that goes away leaves nothing half done."""

import asyncio
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextlib import closing as closing_of
from pathlib import Path

import pytest

from devbench_core.contracts.store import Put
from devbench_core.testing.seeing import until
from devbench_store_sql.store import SqlStore

OpenSql = Callable[..., AbstractAsyncContextManager[SqlStore]]


async def test_cancelled_calls_leave_the_store_whole_and_working(open_sql: OpenSql):
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret

    async def pair(store: SqlStore, number: int) -> None:
        await store.apply(
            Put(kind="left", key=str(number), data={}), Put(kind="right", key=str(number), data={})
        )
        await store.list("left", limit=1000)

    async with open_sql(pool_size=2) as store:
        for start in range(0, 300, 30):
            tasks = [asyncio.create_task(pair(store, number)) for number in range(start, start + 30)]
            for task in tasks:
                await asyncio.sleep(0)
                if chance.random() < 0.5:
                    task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        left = await store.list("left", limit=1000)
        right = await store.list("right", limit=1000)
        assert [record.key for record in left.records] == [record.key for record in right.records]
        assert 0 < len(left.records) < 300, "some calls were cancelled in time, some were not"
        await asyncio.wait_for(pair(store, 1000), 10)


async def test_a_write_that_was_cancelled_before_its_turn_is_not_done(open_sql: OpenSql, database: Path):
    async with open_sql() as store:
        with closing_of(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            first = asyncio.create_task(store.apply(Put(kind="k", key="first", data={})))
            await asyncio.sleep(0.05)
            second = asyncio.create_task(store.apply(Put(kind="k", key="second", data={})))
            await asyncio.sleep(0)
            second.cancel()
            other.execute("ROLLBACK")
            await first
        assert [record.key for record in (await store.list("k")).records] == ["first"]


async def test_a_reader_that_was_cancelled_while_connecting_leaves_no_thread(open_sql: OpenSql):
    async with open_sql() as store:
        for _ in range(20):
            task = asyncio.create_task(store.get("k", "a"))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert await store.get("k", "a") is None


def threads_of_stores() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if "connection_worker" in each.name}


@pytest.mark.parametrize("times", [1, 2])
async def test_whoever_is_cancelled_while_a_store_closes_leaves_no_thread_behind(
    open_sql: OpenSql, times: int
):
    """One that is left would keep the process alive for ever."""
    before, interrupted = threads_of_stores(), 0

    async def live(closing: asyncio.Event) -> None:
        async with open_sql() as store:
            await store.apply(Put(kind="k", key="a", data={}))
            await asyncio.gather(*(store.get("k", "a") for _ in range(3)))
            closing.set()

    for steps in range(12):
        closing = asyncio.Event()
        living = asyncio.create_task(live(closing))
        await asyncio.wait_for(closing.wait(), 10)
        for _ in range(times):
            for _ in range(steps):
                await asyncio.sleep(0)
            living.cancel()
        await asyncio.wait({living}, timeout=30)
        interrupted += living.cancelled()
    assert interrupted > 0
    await until(lambda: threads_of_stores() <= before)


async def test_what_was_given_to_a_store_is_written_also_where_its_closing_is_cancelled(
    open_sql: OpenSql, database: Path
):
    async def live(closing: asyncio.Event) -> None:
        async with open_sql(busy_timeout_s=30) as store:
            writes.extend(
                asyncio.create_task(store.apply(Put(kind="k", key=str(n), data={}))) for n in range(3)
            )
            await asyncio.sleep(0)
            closing.set()

    writes: list[asyncio.Task[object]] = []
    async with open_sql():
        pass
    with closing_of(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        closing = asyncio.Event()
        living = asyncio.create_task(live(closing))
        await asyncio.wait_for(closing.wait(), 10)
        for _ in range(5):
            living.cancel()
            await asyncio.sleep(0)
        other.execute("ROLLBACK")
        await asyncio.wait({living}, timeout=30)
    assert living.cancelled()
    await asyncio.wait_for(asyncio.gather(*writes), 10)
    async with open_sql() as store:
        assert [record.key for record in (await store.list("k")).records] == ["0", "1", "2"]
