"""Opening: the file, its rights, its schema."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path

import attrs
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic import SecretStr
from sqlalchemy import create_engine

from devbench_core.contracts.store import Put
from devbench_core.errors import ConfigurationInvalid, StoreFailed
from devbench_store_sql.diagnosis import look
from devbench_store_sql.migrate import HEAD
from devbench_store_sql.opening import opened
from devbench_store_sql.settings import SqlSettings
from devbench_store_sql.store import SqlStore
from devbench_store_sql.tables import metadata
from devbench_store_sql.upgrade import SCRIPTS

OpenSql = Callable[..., AbstractAsyncContextManager[SqlStore]]
PUT = Put(kind="k", key="a", data={"n": 1})
OPEN_AND_WRITE = """
import asyncio, sys
from pathlib import Path
from devbench_core.contracts.store import Put
from devbench_store_sql.opening import opened
from devbench_store_sql.settings import SqlSettings

async def main() -> None:
    sys.stdin.readline()
    async with opened(SqlSettings(), Path(sys.argv[1])) as store:
        for n in range(20):
            await store.apply(Put(kind="k", key=f"{sys.argv[2]}-{n}", data={}))

asyncio.run(main())
"""


@asynccontextmanager
async def at(url: str) -> AsyncGenerator[SqlStore]:
    async with opened(SqlSettings(url=SecretStr(url)), Path("/nonexistent")) as store:
        yield store


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def change_mode(path: Path, bits: int) -> None:
    path.chmod(bits)


def overwrite(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def set_schema(database: Path, version: str) -> None:
    """Make a database one of a newer program that no older one may use, or take that back."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.execute("UPDATE schema_rule SET oldest = ?", (version,))


async def test_the_database_and_all_its_files_are_private(open_sql: OpenSql, database: Path):
    async with open_sql() as store:
        await store.apply(PUT)
        modes = {path.name: mode(path) for path in database.parent.iterdir()}
    assert modes == {"devbench.db": 0o600, "devbench.db-wal": 0o600, "devbench.db-shm": 0o600}
    assert mode(database.parent) == 0o700


async def test_a_database_that_others_could_read_is_made_private(open_sql: OpenSql, database: Path):
    async with open_sql():
        pass
    change_mode(database, 0o644)
    async with open_sql():
        assert mode(database) == 0o600


async def test_what_was_written_is_there_at_the_next_opening(open_sql: OpenSql):
    async with open_sql() as store:
        await store.apply(PUT)
    async with open_sql() as store:
        record = await store.get("k", "a")
    assert record is not None
    assert record.data == {"n": 1}


async def test_a_url_names_another_file(tmp_path: Path):
    for scheme in ("sqlite", "sqlite+aiosqlite"):
        async with at(f"{scheme}:///{tmp_path}/half of ä.db") as store:
            await store.apply(PUT)
    assert (tmp_path / "half of ä.db").exists()


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "postgresql://u:geheim@h/d", "sqlite://", "sqlite:///:memory:", "sqlite:///file:x"],
)
async def test_a_url_that_is_no_sqlite_file_is_refused_without_its_password(url: str):
    with pytest.raises(ConfigurationInvalid, match=r"plugin\.sql\.url") as caught:
        async with at(url):
            pass
    assert "geheim" not in str(caught.value)
    assert "sqlite+aiosqlite:///" in caught.value.hint


async def test_the_pragmas_hold_on_the_writing_and_the_reading_connections(open_sql: OpenSql):
    async with open_sql(busy_timeout_s=1.5, synchronous="full", cache_kib=100) as store:
        wanted = {
            "journal_mode": "wal",
            "busy_timeout": 1500,
            "synchronous": 2,
            "foreign_keys": 1,
            "cache_size": -100,
        }
        for run in (store.writer.do, store.readers.read):
            for name, value in wanted.items():
                found = await run(lambda c, name=name: c.execute(f"PRAGMA {name}").fetchone()[0])
                assert (name, found) == (name, value)


async def test_a_reading_connection_cannot_write(open_sql: OpenSql):
    async with open_sql() as store:
        with pytest.raises(StoreFailed, match="read-only"):
            await store.readers.read(lambda c: c.execute("DELETE FROM records").rowcount)


def test_the_programs_schema_is_the_last_migration():
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


async def test_the_migrations_make_the_tables_that_the_code_uses(open_sql: OpenSql, database: Path):
    async with open_sql():
        pass
    with create_engine(f"sqlite:///{database}").connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


async def test_a_database_of_a_newer_program_is_refused_and_left_as_it_is(open_sql: OpenSql, database: Path):
    async with open_sql() as store:
        await store.apply(PUT)
    set_schema(database, "9999")
    with pytest.raises(StoreFailed, match="schema '9999'") as caught:
        async with open_sql():
            pass
    assert "upgrade" in caught.value.hint
    assert caught.value.retry is False
    set_schema(database, HEAD)
    async with open_sql() as store:
        assert await store.get("k", "a") is not None


def test_processes_that_open_a_new_database_at_once_all_succeed(tmp_path: Path):
    argv = [sys.executable, "-c", OPEN_AND_WRITE, str(tmp_path / "state")]
    processes = [
        subprocess.Popen([*argv, str(n)], stdin=subprocess.PIPE, stderr=subprocess.PIPE) for n in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    results = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
    assert results == [(b"", 0)] * 4
    with closing(sqlite3.connect(tmp_path / "state" / "devbench.db")) as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (80,)


async def test_stores_opened_at_once_in_one_process_share_the_file(open_sql: OpenSql):
    async def write(number: int) -> None:
        async with open_sql() as store:
            await store.apply(Put(kind="k", key=str(number), data={}))

    await asyncio.gather(*(write(number) for number in range(8)))
    async with open_sql() as store:
        assert len((await store.list("k")).records) == 8


async def test_closing_ends_every_thread_and_finishes_the_writes_that_wait(open_sql: OpenSql):
    before = set(threading.enumerate())
    async with open_sql() as store:
        await asyncio.gather(*(store.get("k", "a") for _ in range(20)))
        waiting = [asyncio.create_task(store.apply(Put(kind="k", key=str(n), data={}))) for n in range(200)]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    async with asyncio.timeout(10):  # a thread says that it is done a moment before it is
        while {t for t in threading.enumerate() if t not in before and "asyncio" not in t.name}:
            await asyncio.sleep(0.005)
    for call in (store.get("k", "a"), store.apply(PUT)):
        with pytest.raises(StoreFailed, match="closed"):
            await call


async def test_an_error_of_the_program_leaves_the_block_as_it_is(open_sql: OpenSql):
    with pytest.raises(KeyError):
        async with open_sql():
            raise KeyError


def test_a_program_that_ends_by_an_interrupt_or_without_closing_does_not_hang(tmp_path: Path):
    for ending in ("raise KeyboardInterrupt", "asyncio.current_task().cancel()", "sys.exit(1)"):
        code = OPEN_AND_WRITE.replace("for n in range(20):", f"{ending}\n        for n in range(20):")
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "state"), "x"],
            input=b"go\n",
            capture_output=True,
            check=False,
            timeout=30,
        )
        assert done.returncode != 0


def test_importing_the_plugin_imports_no_database_library():
    code = "import sys, devbench_store_sql; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {"sqlalchemy", "aiosqlite", "alembic"} & set(printed.split()) == set()


async def test_the_diagnosis_of_a_new_place_makes_nothing(database: Path):
    diagnosis = look(SqlSettings(), database.parent)
    assert diagnosis.ok
    assert "first start" in diagnosis.summary
    assert not database.parent.exists()


async def test_the_diagnosis_names_file_and_schema(open_sql: OpenSql, database: Path):
    async with open_sql():
        diagnosis = look(SqlSettings(), database.parent)
        assert diagnosis.ok
        assert str(database) in diagnosis.summary
        assert f"schema {HEAD}" in diagnosis.summary
    set_schema(database, "9999")
    assert not look(SqlSettings(), database.parent).ok
    overwrite(database, b"no database " * 1000)
    damaged = look(SqlSettings(), database.parent)
    assert not damaged.ok
    assert "no SQLite database" in damaged.summary


async def test_many_new_databases_are_opened_at_once_in_one_process(tmp_path: Path):
    async def one(number: int) -> None:
        async with opened(SqlSettings(), tmp_path / str(number)) as store:
            await store.apply(attrs.evolve(PUT, data={"n": number}))
            found = await store.get("k", "a")
            assert found is not None
            assert found.data == {"n": number}

    for _ in range(3):
        await asyncio.gather(*(one(number) for number in range(10)))
        for number in range(10):
            await asyncio.to_thread(shutil.rmtree, tmp_path / str(number))
