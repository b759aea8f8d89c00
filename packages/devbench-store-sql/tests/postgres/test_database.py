"""The database itself: its tables, its plans, its errors, and what `devbench doctor` says of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from devbench_core.clock import SystemClock
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.store import Append, LogEntry, Put
from devbench_core.errors import StoreFailed
from devbench_store_sql import plugin
from devbench_store_sql.migrate import HEAD
from devbench_store_sql.postgres import changes, queries
from devbench_store_sql.postgres.store import PostgresStore
from devbench_store_sql.settings import SqlSettings
from devbench_store_sql.tables import locks, metadata
from harness.postgres import Server

OpenPostgres = Callable[..., AbstractAsyncContextManager[PostgresStore]]
COLUMNS = """
SELECT table_name, column_name, is_nullable, collation_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY table_name, ordinal_position"""


def name_of(url: str) -> str:
    found = re.search(r"t_[0-9a-f]+", url)
    assert found
    return found[0]


async def test_the_tables_are_those_of_the_program_and_names_are_in_the_order_of_code_points(
    postgres_server: Server, url: str, open_postgres: OpenPostgres
):
    async with open_postgres():
        pass
    rows = [row.split("|") for row in postgres_server.psql(COLUMNS, name_of(url)).splitlines()]
    assert [(table, column) for table, column, _, _ in rows] == [
        (table.name, column.name)
        for table in sorted([*metadata.tables.values(), *locks.tables.values()], key=lambda table: table.name)
        for column in table.columns
    ]
    assert {nullable for _, _, nullable, _ in rows} == {"NO"}
    ordered = {column for _, column, _, collation in rows if collation == "C"}
    assert ordered == {"kind", "key", "term", "log", "owner"}


@pytest.mark.timeout(120)
async def test_every_query_goes_along_an_index(
    postgres_server: Server, url: str, open_postgres: OpenPostgres
):
    async with open_postgres() as store:
        for start in range(0, 6000, 1000):
            rows = range(start, start + 1000)
            terms = [frozenset({"tenant=t", "ended" if n % 50 else "living"}) for n in rows]
            await store.apply(
                *(Put(kind=f"k{n % 2}", key=f"{n:05}", data={}, terms=terms[n - start]) for n in rows)
            )
        for log in range(20):
            entries = tuple(LogEntry(seq=seq, data=b"x") for seq in range(1, 301))
            await store.apply(Append(log=f"log{log}", entries=entries))
    postgres_server.psql("ANALYZE", name_of(url))
    filled = {
        queries._GET: ("'k1'", "'00007'"),  # pyright: ignore[reportPrivateUsage]
        queries._ALONG_KIND: ("'k1'", "'00007'", "100"),  # pyright: ignore[reportPrivateUsage]
        queries._ALONG_TERM: ("'k1'", "'living'", "''", "'{tenant=t}'", "1", "100"),  # pyright: ignore[reportPrivateUsage]
        queries._RAREST: ("'k1'", "'{tenant=t,living}'"),  # pyright: ignore[reportPrivateUsage]
        queries._READ_LOG: ("'log7'", "0", "100"),  # pyright: ignore[reportPrivateUsage]
        changes._LOCK: ("'{k1}'", "'{00007}'"),  # pyright: ignore[reportPrivateUsage]
    }
    for statement, values in filled.items():
        text = re.sub(r"\$(\d+)", lambda found, values=values: values[int(found[1]) - 1], statement)
        plan = postgres_server.psql(f"SET enable_hashjoin = on; EXPLAIN {text}", name_of(url))
        assert "Index" in plan, plan
        assert "Seq Scan" not in plan, plan


async def test_a_database_of_a_newer_program_is_refused(
    postgres_server: Server, url: str, open_postgres: OpenPostgres
):
    async with open_postgres():
        pass
    newer = "UPDATE alembic_version SET version_num = '9999'; UPDATE schema_rule SET oldest = '9999'"
    postgres_server.psql(newer, name_of(url))
    with pytest.raises(StoreFailed, match="schema '9999'") as refused:
        await open_postgres().__aenter__()
    assert not refused.value.retry


async def test_a_login_or_a_database_that_is_wrong_is_said_to_be(
    postgres_server: Server, open_postgres: OpenPostgres
):
    absent = postgres_server.url("absent")
    with pytest.raises(StoreFailed, match="no such database"):
        await open_postgres(url=absent).__aenter__()
    with pytest.raises(StoreFailed, match="refuses the login"):
        await open_postgres(url=absent.replace("devbench@", "nobody@")).__aenter__()


async def test_a_statement_that_takes_too_long_ends(open_postgres: OpenPostgres):
    async with open_postgres(statement_timeout_s=0.3, retries=0) as store:
        with pytest.raises(StoreFailed, match=r"took too long|in time"):
            async with asyncio.timeout(10):
                await store.readers.read(lambda connection: connection.execute("SELECT pg_sleep(60)"))
        assert await store.get("k", "a") is None


async def test_doctor_says_what_is_there(url: str, open_postgres: OpenPostgres, tmp_path: Path):
    (provider,) = plugin.devbench_stores()
    context = OpenContext(installation="i", state_dir=tmp_path, cache_dir=tmp_path, clock=SystemClock())
    assert provider.diagnose is not None
    settings = SqlSettings.model_validate({"url": url})
    before = await provider.diagnose(settings, context)
    assert before.ok
    assert "schema none" in before.summary
    async with open_postgres():
        pass
    after = await provider.diagnose(settings, context)
    assert (after.ok, after.notes) == (True, ())
    assert f"schema {HEAD}" in after.summary
    wrong = await provider.diagnose(SqlSettings.model_validate({"url": url + "x"}), context)
    assert not wrong.ok
