"""What the writer tells its callers when a transaction ends in a way that nobody foresaw."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path

import pytest

from devbench_core.contracts.store import Put
from devbench_core.errors import StoreFailed
from devbench_store_sql.lane import Lane
from devbench_store_sql.settings import SqlSettings
from devbench_store_sql.store import SqlStore
from devbench_store_sql.writer import Writer

OpenSql = Callable[..., AbstractAsyncContextManager[SqlStore]]


class Treacherous(sqlite3.Connection):
    """Commits, says that the disk failed, and cannot roll back either: a disk does so, but not at a test's wish."""

    def commit(self) -> None:
        super().commit()
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    def rollback(self) -> None:
        raise sqlite3.OperationalError("disk I/O error")


@asynccontextmanager
async def writer_on(path: Path, connect: Callable[[], sqlite3.Connection]) -> AsyncGenerator[Writer]:
    lane = Lane(connect)
    await lane.open()
    writer = Writer(lane, SqlSettings(), path)
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        await writer.close()
        await running
        await lane.close()


def add_one(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE counter SET n = n + 1")


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT n FROM counter").fetchone()[0])


async def test_a_write_of_unknown_outcome_is_not_repeated_although_no_new_connection_can_be_made(
    tmp_path: Path,
):
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE counter AS SELECT 0 AS n")
    refused = sqlite3.OperationalError("unable to open database file")
    refused.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
    connections: list[type[sqlite3.Connection] | Exception] = [Treacherous, refused, sqlite3.Connection]

    def connect() -> sqlite3.Connection:
        following = connections.pop(0)
        if isinstance(following, Exception):
            raise following
        return sqlite3.connect(path, isolation_level=None, factory=following)

    async with writer_on(path, connect) as writer:
        outcomes = await asyncio.gather(*(writer.do(add_one) for _ in range(3)), return_exceptions=True)
        assert ["outcome unknown" in str(outcome) for outcome in outcomes] == [True] * 3
        assert count(path) == 3
        with pytest.raises(StoreFailed, match="cannot be opened"):
            await writer.do(add_one)
        await writer.do(add_one)
        assert count(path) == 4


@pytest.mark.parametrize("unforeseen", [ZeroDivisionError, StopIteration])
async def test_an_unforeseen_error_fails_its_own_write_and_the_writer_goes_on(
    open_sql: OpenSql, caplog: pytest.LogCaptureFixture, unforeseen: type[Exception]
):
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM records")
        raise unforeseen

    async with open_sql() as store, asyncio.timeout(30):
        before, failed, beside = await asyncio.gather(
            store.apply(Put(kind="k", key="before", data={})),
            store.writer.do(work),
            store.apply(Put(kind="k", key="beside", data={})),
            return_exceptions=True,
        )
        assert isinstance(failed, StoreFailed)
        assert unforeseen.__name__ in str(failed)
        assert isinstance(failed.__cause__, Exception)
        assert not [each for each in (before, beside) if isinstance(each, BaseException)]
        await store.apply(Put(kind="k", key="later", data={}))
        assert [each.key for each in (await store.list("k")).records] == ["before", "beside", "later"]
    assert "store.write_failed" in caplog.text
    assert "raise unforeseen" in caplog.text, "with the place where it was raised"
