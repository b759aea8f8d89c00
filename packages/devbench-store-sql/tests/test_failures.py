"""What is said, and what is kept, when the database cannot do its work."""

import asyncio
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path

import pytest

from devbench_core.contracts.store import ABSENT, Append, LogEntry, Put
from devbench_core.errors import Conflict, StoreFailed
from devbench_core.json_types import JsonObject
from devbench_store_sql.store import SqlStore

OpenSql = Callable[..., AbstractAsyncContextManager[SqlStore]]
BIG: JsonObject = {"text": "x" * 100_000}
FILL_THE_DISK = """
import asyncio, sys
from pathlib import Path
from devbench_core.contracts.store import Put
from devbench_core.errors import StoreFailed
from devbench_store_sql.opening import opened
from devbench_store_sql.settings import SqlSettings

async def main() -> None:
    async with opened(SqlSettings(), Path(sys.argv[1])) as store:
        try:
            for n in range(1000):
                await store.apply(Put(kind="k", key=f"{n:04}", data={"text": "x" * 100_000}))
                print(n, flush=True)
        except StoreFailed as error:
            print(error.code, error)
        record = await store.get("k", "0000")
        print("still readable:", record is not None)

asyncio.run(main())
"""
OPEN = """
import asyncio, sys
from pathlib import Path
from devbench_core.errors import StoreFailed
from devbench_store_sql.opening import opened
from devbench_store_sql.settings import SqlSettings

async def main() -> None:
    try:
        async with opened(SqlSettings(), Path(sys.argv[1])):
            print("opened")
    except StoreFailed as error:
        print(error.code, error.retry, error)

asyncio.run(main())
"""


def damage(database: Path, offset: int, data: bytes) -> None:
    with database.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def size(path: Path) -> int:
    return path.stat().st_size


async def fill(store: SqlStore, count: int) -> None:
    for number in range(count):
        await store.apply(Put(kind="k", key=f"{number:04}", data={"text": "y" * 2000}))


@pytest.mark.parametrize("content", [b"this is no database " * 100, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_file_that_is_no_database_is_refused_and_not_touched(
    open_sql: OpenSql, database: Path, content: bytes
):
    async with open_sql():
        pass
    await asyncio.to_thread(database.write_bytes, content)
    with pytest.raises(StoreFailed) as caught:
        async with open_sql():
            pass
    assert "backup" in caught.value.hint
    assert caught.value.retry is False
    assert isinstance(caught.value.__cause__, Exception)
    assert await asyncio.to_thread(database.read_bytes) == content


async def test_a_damaged_page_is_reported_and_the_rest_stays_readable(open_sql: OpenSql, database: Path):
    async with open_sql() as store:
        await fill(store, 200)
    await asyncio.to_thread(damage, database, size(database) // 2 // 4096 * 4096, b"\xa5" * 4096 * 4)
    async with open_sql() as store:
        failures: list[StoreFailed] = []
        for number in range(200):
            try:
                await store.get("k", f"{number:04}")
            except StoreFailed as error:
                failures.append(error)
    assert 0 < len(failures) < 200
    assert "damaged" in str(failures[0])
    assert failures[0].retry is False


async def test_a_full_database_says_so_keeps_what_it_has_and_recovers(open_sql: OpenSql):
    async with open_sql() as store:
        await fill(store, 5)
        pages = await store.writer.do(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
        await store.writer.do(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone()[0])
        with pytest.raises(StoreFailed, match="disk is full") as caught:
            await store.apply(
                Put(kind="k", key="0000", data={"changed": True}), Put(kind="k", key="big", data=BIG)
            )
        assert "free some space" in caught.value.hint
        assert caught.value.retry is True
        kept = (await store.list("k")).records
        assert [record.revision for record in kept] == [1] * 5
        await store.writer.do(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone()[0])
        await store.apply(Put(kind="k", key="big", data=BIG))


async def test_a_write_that_does_not_fit_does_not_fail_its_neighbours(open_sql: OpenSql):
    async with open_sql() as store:
        await fill(store, 5)
        pages = await store.writer.do(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
        await store.writer.do(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 3}").fetchone()[0])
        outcomes = await asyncio.gather(
            store.apply(Put(kind="k", key="a", data={})),
            store.apply(Put(kind="k", key="big", data=BIG)),
            store.apply(Put(kind="k", key="0001", data={}, expect=ABSENT)),
            store.apply(Append(log="log", entries=(LogEntry(seq=1, data=b"x"),))),
            return_exceptions=True,
        )
        sorts = [type(o) if isinstance(o, Exception) else None for o in outcomes]
        assert sorts == [None, StoreFailed, Conflict, None]
        assert await store.get("k", "a") is not None
        assert await store.get("k", "big") is None
        assert len(await store.read("log")) == 1


def test_a_disk_that_refuses_to_grow_the_file_loses_nothing(tmp_path: Path):
    state = tmp_path / "state"
    limit = 3_000_000
    done = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(state)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    *numbers, failed, readable = done.stdout.splitlines()
    assert failed.startswith("store_failed")
    assert "full" in failed
    assert readable == "still readable: True"
    assert len(numbers) > 10
    with closing(sqlite3.connect(state / "devbench.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        keys = [int(row[0]) for row in connection.execute("SELECT key FROM records ORDER BY key")]
    assert keys == [int(number) for number in numbers]


def test_a_database_that_may_only_be_read_is_refused_at_opening(
    as_ordinary_user: Callable[[Sequence[str]], list[str]],
):
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        subprocess.run([sys.executable, "-c", OPEN, str(state)], check=True, timeout=60)
        for path, bits in ((state / "devbench.db", 0o444), (state, 0o555), (Path(folder), 0o755)):
            path.chmod(bits)
        argv = as_ordinary_user([sys.executable, "-c", OPEN, str(state)])
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        state.chmod(0o755)
    assert done.stdout.startswith("store_failed False"), done.stderr
    assert "read-only" in done.stdout
    assert "right to write" in done.stdout


async def test_a_folder_that_cannot_be_made_is_reported(open_sql: OpenSql, database: Path):
    await asyncio.to_thread(database.parent.write_text, "a file in the way")
    with pytest.raises(StoreFailed, match=str(database)):
        async with open_sql():
            pass


async def test_a_write_waits_for_another_process_no_longer_than_the_busy_timeout(
    open_sql: OpenSql, database: Path
):
    async with open_sql(busy_timeout_s=0.3) as store:
        await store.apply(Put(kind="k", key="a", data={"n": 1}))
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            with pytest.raises(StoreFailed, match="another process") as caught:
                await store.apply(Put(kind="k", key="a", data={"n": 2}))
            assert 0.25 < time.monotonic() - started < 5
            assert caught.value.retry is True
            assert "busy_timeout_s" in caught.value.hint
            record = await store.get("k", "a")
            assert record is not None
            assert record.data == {"n": 1}
            other.execute("ROLLBACK")
        (record,) = await store.apply(Put(kind="k", key="a", data={"n": 2}))
        assert record is not None
        assert record.revision == 2


async def test_writes_that_wait_together_wait_once_for_another_process(open_sql: OpenSql, database: Path):
    async with open_sql(busy_timeout_s=0.5) as store:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            outcomes = await asyncio.gather(
                *(store.apply(Put(kind="k", key=str(n), data={})) for n in range(20)), return_exceptions=True
            )
            assert 0.45 < time.monotonic() - started < 4
            assert {type(outcome) for outcome in outcomes} == {StoreFailed}
            assert all("another process" in str(outcome) for outcome in outcomes)
            assert isinstance(outcomes[0], StoreFailed)
            assert isinstance(outcomes[0].__cause__, sqlite3.OperationalError)
            other.execute("ROLLBACK")
        await store.apply(Put(kind="k", key="a", data={}))


@pytest.mark.parametrize("mode", ["delete", "wal"])
async def test_a_migration_that_another_process_holds_up_names_its_own_timeout(
    open_sql: OpenSql, database: Path, mode: str
):
    await asyncio.to_thread(database.parent.mkdir)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute(f"PRAGMA journal_mode = {mode}")
        other.execute("BEGIN IMMEDIATE").execute("CREATE TABLE t (n)")
        with pytest.raises(StoreFailed, match="another process") as caught:
            async with open_sql(migration_timeout_s=0.3):
                pass
        other.execute("ROLLBACK")
    assert "plugin.sql.migration_timeout_s" in caught.value.hint
    assert "busy_timeout_s" not in caught.value.hint
    assert caught.value.retry is True
    async with open_sql() as store:
        await store.apply(Put(kind="k", key="a", data={}))


async def test_a_write_goes_on_when_the_other_process_has_finished(open_sql: OpenSql, database: Path):
    async with open_sql(busy_timeout_s=30) as store:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(store.apply(Put(kind="k", key="a", data={})))
            done, _ = await asyncio.wait({waiting}, timeout=0.2)
            assert not done
            other.execute("COMMIT")
            await asyncio.wait_for(waiting, 10)


async def test_a_full_queue_of_writes_is_refused_in_time(open_sql: OpenSql, database: Path):
    settings = {"busy_timeout_s": 1.0, "write_queue": 2, "write_batch": 1, "write_queue_timeout_s": 0.1}
    async with open_sql(**settings) as store:
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            writes = [asyncio.create_task(store.apply(Put(kind="k", key=str(n), data={}))) for n in range(4)]
            with pytest.raises(StoreFailed, match="2 writes are waiting"):
                await writes[3]
            other.execute("ROLLBACK")
            await asyncio.gather(*writes[:3])


async def test_a_read_that_finds_no_free_connection_is_refused_in_time(open_sql: OpenSql):
    async with open_sql(pool_size=1, pool_timeout_s=0.1) as store:
        reading = asyncio.create_task(store.readers.read(lambda _: time.sleep(0.5)))
        await asyncio.sleep(0)
        with pytest.raises(StoreFailed, match="no connection was free") as caught:
            await store.get("k", "a")
        assert "pool_size" in caught.value.hint
        await reading
        assert await store.get("k", "a") is None
