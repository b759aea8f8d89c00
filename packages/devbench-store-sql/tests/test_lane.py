"""A lane's connection is replaced by another one."""

import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devbench_store_sql.lane import Lane


@asynccontextmanager
async def opened_lane(connect: Callable[[], sqlite3.Connection]) -> AsyncGenerator[Lane]:
    lane = Lane(connect)
    await lane.open()
    try:
        yield lane
    finally:
        await lane.close()


def itself(connection: sqlite3.Connection) -> sqlite3.Connection:
    return connection


def is_closed(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


async def test_a_renewed_lane_gives_up_its_transaction_and_works_on_another_connection(tmp_path: Path):
    path = tmp_path / "a.db"
    async with opened_lane(lambda: sqlite3.connect(path, isolation_level=None)) as lane:
        await lane.run(lambda c: c.execute("CREATE TABLE t (n)"))
        await lane.run(lambda c: c.execute("BEGIN IMMEDIATE").execute("INSERT INTO t VALUES (1)"))
        first = await lane.run(itself)
        await lane.run(lambda _: lane.renew())
        assert await lane.run(lambda _: is_closed(first))
        assert await lane.run(lambda c: c.execute("SELECT * FROM t").fetchall()) == []
        second = await lane.run(itself)
        assert second is not first
        assert await lane.run(itself) is second, "it is kept"


async def test_a_lane_that_cannot_connect_anew_says_so_to_the_next_work_and_tries_again_for_the_one_after(
    tmp_path: Path,
):
    folder, away = tmp_path / "state", tmp_path / "away"
    folder.mkdir()
    async with opened_lane(lambda: sqlite3.connect(folder / "a.db")) as lane:
        folder.rename(away)
        await lane.run(lambda _: lane.renew())
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            await lane.run(itself)
        away.rename(folder)
        assert await lane.run(lambda c: c.execute("SELECT 1").fetchone()) == (1,)


async def test_a_lane_without_a_connection_can_be_closed(tmp_path: Path):
    async with opened_lane(lambda: sqlite3.connect(tmp_path / "a.db")) as lane:
        await lane.run(lambda _: lane.renew())


async def test_a_lane_that_could_not_be_opened_can_be_opened_later_and_one_that_was_not_can_be_closed(
    tmp_path: Path,
):
    folder = tmp_path / "state"
    lane = Lane(lambda: sqlite3.connect(folder / "a.db"))
    await lane.close()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await lane.open()
    assert not lane.is_open
    folder.mkdir()
    await lane.open()
    try:
        assert await lane.run(lambda c: c.execute("SELECT 1").fetchone()) == (1,)
    finally:
        await lane.close()
    assert not lane.is_open
