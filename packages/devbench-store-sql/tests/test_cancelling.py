"""A caller that goes away leaves nothing half done."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

from devbench_core.contracts.store import Put
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
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
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
