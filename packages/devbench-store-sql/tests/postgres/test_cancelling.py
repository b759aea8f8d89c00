"""A caller that goes away while the store closes loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import asyncpg

from devbench_core.contracts.store import Put
from devbench_core.testing.seeing import until
from devbench_store_sql.postgres.address import address_of
from devbench_store_sql.postgres.store import PostgresStore
from devbench_store_sql.settings import SqlSettings

OpenPostgres = Callable[..., AbstractAsyncContextManager[PostgresStore]]
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


async def test_what_was_given_to_a_store_is_written_also_where_its_closing_is_cancelled(
    open_postgres: OpenPostgres, url: str
):
    async def live(closing: asyncio.Event) -> None:
        async with open_postgres(busy_timeout_s=30) as store:
            writes.extend(
                asyncio.create_task(store.apply(Put(kind="k", key=str(n), data={}))) for n in range(3)
            )
            await until(lambda: other.fetchval(WAITING), lambda count: count > 0)
            closing.set()

    writes: list[asyncio.Task[object]] = []
    async with open_postgres():
        pass
    other = await asyncpg.connect(address_of(SqlSettings.model_validate({"url": url})).dsn)
    try:
        await other.execute("BEGIN; LOCK TABLE records IN EXCLUSIVE MODE")
        closing = asyncio.Event()
        living = asyncio.create_task(live(closing))
        await asyncio.wait_for(closing.wait(), 30)
        for _ in range(5):
            living.cancel()
            await asyncio.sleep(0)
        await other.execute("ROLLBACK")
        await asyncio.wait({living}, timeout=30)
    finally:
        await other.close()
    assert living.cancelled()
    await asyncio.wait_for(asyncio.gather(*writes), 10)
    async with open_postgres() as store:
        assert [record.key for record in (await store.list("k")).records] == ["0", "1", "2"]
