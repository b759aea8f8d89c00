"""Hosts of two versions on one database: the older one works, and starts again, while the newer schema lets it."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import attrs
import pytest
from alembic.script import ScriptDirectory

from devbench_core.contracts.store import Append, LogEntry, Put, Store
from devbench_core.errors import StoreFailed
from devbench_core.testing.kit import open_provider
from devbench_store_sql import plugin
from devbench_store_sql.migrate import HEAD, migrate
from devbench_store_sql.settings import SqlSettings
from devbench_store_sql.upgrade import config_of
from harness.newer_schema import VERSION, become
from harness.postgres import Server
from harness.shared_locks import open_lock

(SQL,) = plugin.devbench_stores()
Open = Callable[[], AbstractAsyncContextManager[Store]]


@attrs.frozen(kw_only=True)
class Database:
    """One that hosts share: its settings, and what does statements in it as an administrator does."""

    settings: dict[str, str]
    do: Callable[[str], object]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "PostgreSQL":
        server: Server = request.getfixturevalue("postgres_server")
        url = server.database()
        name = url.partition("@/")[2].partition("?")[0]
        return Database(settings={"url": url}, do=lambda statements: server.psql(statements, name))

    def do(statements: str) -> None:
        with closing(sqlite3.connect(next(tmp_path.rglob("devbench.db")))) as connection, connection:
            connection.executescript(statements)

    return Database(settings={}, do=do)


@pytest.fixture
def open_store(database: Database, tmp_path: Path) -> Open:
    """Open the same database each time, as one more host does."""
    return lambda: open_provider(SQL, tmp_path, settings=database.settings)


@pytest.fixture
def newer_program(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[None]]:
    """Be the newer program for the length of a block."""

    @asynccontextmanager
    async def being(*, oldest: str) -> AsyncGenerator[None]:
        with pytest.MonkeyPatch.context() as patch:
            become(patch, tmp_path, oldest=oldest)
            yield

    return being


async def used(store: Store, name: str) -> None:
    """Do all that a host does with its store."""
    (record,) = await store.apply(Put(kind="k", key=name, data={"n": 1}, terms=frozenset({name})))
    assert record is not None
    await store.apply(Put(kind="k", key=name, data={"n": 2}, expect=record.revision))
    await store.apply(Append(log="log", entries=(LogEntry(seq=len(name), data=name.encode()),)))
    found = await store.get("k", name)
    assert found is not None
    assert found.data == {"n": 2}
    assert name in {each.key for each in (await store.list("k")).records}
    assert LogEntry(seq=len(name), data=name.encode()) in await store.read("log")


async def test_an_older_host_works_on_and_starts_again_beside_a_newer_one(
    open_store: Open, newer_program: Callable[..., AbstractAsyncContextManager[None]]
):
    async with AsyncExitStack() as stack:
        async with open_store() as older:
            await used(older, "a")
            async with newer_program(oldest=HEAD):
                newer = await stack.enter_async_context(open_store())
            await used(older, "ab")
            await used(newer, "abc")
            await used(older, "abcd")
        async with open_store() as again:
            await used(again, "abcde")
            await used(newer, "abcdef")
            assert len((await again.list("k")).records) == 6


async def test_older_hosts_that_write_all_the_time_lose_no_write_to_the_step_of_a_newer_one(
    open_store: Open, newer_program: Callable[..., AbstractAsyncContextManager[None]]
):
    over = asyncio.Event()

    async def write(store: Store, name: str) -> int:
        count = 0
        while not over.is_set():
            count += 1
            await store.apply(
                Put(
                    kind="k", key=f"{name}{count % 7}", data={"n": count}, terms=frozenset({f"n={count % 3}"})
                ),
                Append(log=name, entries=(LogEntry(seq=count, data=b"x"),)),
            )
        return count

    async with open_store() as one, open_store() as other:
        writing = [asyncio.create_task(write(store, name)) for store, name in ((one, "a"), (other, "b"))]
        while not await one.read("a") or not await other.read("b"):
            await asyncio.sleep(0)
        async with newer_program(oldest=HEAD), open_store() as newer:
            await used(newer, "newer")
        over.set()
        counts = await asyncio.gather(*writing)
        for store, name, count in ((one, "a", counts[0]), (other, "b", counts[1])):
            assert await store.read(name, after=count - 1) == (LogEntry(seq=count, data=b"x"),)


async def test_an_older_host_is_refused_once_the_newer_schema_excludes_it(
    open_store: Open, newer_program: Callable[..., AbstractAsyncContextManager[None]]
):
    async with open_store() as older:
        await used(older, "a")
    async with newer_program(oldest=VERSION), open_store() as newer:
        await used(newer, "ab")
    with pytest.raises(StoreFailed, match=re.escape(f"schema {VERSION!r}")) as refused:
        await open_store().__aenter__()
    assert "upgrade this one" in refused.value.hint
    assert refused.value.retry is False


async def test_an_older_program_does_not_migrate_what_it_may_use(tmp_path: Path):
    path = tmp_path / "devbench.db"
    migrate(path, SqlSettings())
    with pytest.MonkeyPatch.context() as patch:
        become(patch, tmp_path, oldest=HEAD)
        migrate(path, SqlSettings())
    migrate(path, SqlSettings())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (VERSION,)
        assert connection.execute("SELECT oldest FROM schema_rule").fetchall() == [(HEAD,)]


FIRST = """
DROP TABLE schema_rule;
DROP TABLE IF EXISTS lock_leases;
DROP TABLE IF EXISTS lock_waiters;
UPDATE alembic_version SET version_num = '0001';
INSERT INTO records (kind, key, revision, data, terms) VALUES ('k', 'a', 7, '{}', '["t"]');
INSERT INTO record_terms (kind, term, key) VALUES ('k', 't', 'a');
"""
"""The database as the first release left it."""


async def test_a_database_of_the_first_schema_is_upgraded_with_all_it_holds(
    open_store: Open, database: Database
):
    async with open_store():
        pass
    await asyncio.to_thread(database.do, FIRST)
    async with open_store() as store, open_store() as other:
        (found,) = (await store.list("k", terms=frozenset({"t"}))).records
        assert (found.key, found.revision) == ("a", 7)
        await used(other, "b")
    if "url" in database.settings:  # what later steps made is there, too
        async with open_lock(database.settings["url"]) as lock, lock.hold("k", ttl_s=60, wait_s=0):
            pass


def test_each_step_says_who_may_still_use_its_schema_and_none_takes_that_back():
    steps = list(reversed(list(ScriptDirectory.from_config(config_of()).walk_revisions())))
    oldest = [step.module.oldest for step in steps]
    assert [step.revision for step in steps] == [f"{number:04}" for number in range(1, len(steps) + 1)]
    assert oldest == sorted(oldest)
    assert all(rule <= step.revision for rule, step in zip(oldest, steps, strict=True))
