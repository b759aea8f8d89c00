"""Connections that break: nothing is lost that was acknowledged, and nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from devbench_core.contracts.store import ABSENT, Put
from devbench_core.errors import StoreFailed
from devbench_store_sql.postgres.address import address_of
from devbench_store_sql.postgres.connections import Readers
from devbench_store_sql.postgres.opening import opened
from devbench_store_sql.postgres.store import PostgresStore
from devbench_store_sql.settings import SqlSettings
from harness.postgres import Server, server

OpenPostgres = Callable[..., AbstractAsyncContextManager[PostgresStore]]
SOCKET = ".s.PGSQL.5432"
PIECE = 65_536
COMMIT = b"COMMIT;"


def at(url: str, **settings: int) -> SqlSettings:
    return SqlSettings.model_validate({"url": url, **settings})


class Cutter:
    """Passes a connection on, and cuts it at a commit.

    Attributes:
        when: ``before`` the server gets it, ``after`` it has answered, ``crash`` for after it was started again too.
        cuts: How often it did.
    """

    def __init__(self, folder: Path) -> None:
        self._target = folder / SOCKET
        self.when = ""
        self.cuts = 0
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(self._target)
        answers = asyncio.create_task(self._pass_on(theirs, writer))
        try:
            while data := await reader.read(PIECE):
                if COMMIT in data and self.when:
                    when, self.when = self.when, ""
                    self.cuts += 1
                    if when in {"after", "crash"}:
                        answers.cancel()
                        await asyncio.gather(answers, return_exceptions=True)
                        ours.write(data)
                        assert await theirs.read(PIECE)
                    if when == "crash":
                        self.reached.set()
                        await self.go_on.wait()
                    break
                ours.write(data)
        finally:
            answers.cancel()
            ours.close()
            writer.transport.abort()

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(PIECE):
            target.write(data)
        target.close()


@asynccontextmanager
async def cutting(folder: Path, behind: Server) -> AsyncGenerator[Cutter]:
    cutter = Cutter(behind.folder)
    listening = await asyncio.start_unix_server(cutter.serve, folder / SOCKET)
    async with listening:
        yield cutter


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_whose_connection_breaks_is_done_once(
    postgres_server: Server, url: str, tmp_path: Path, when: str
):
    through = url.replace(quote(str(postgres_server.folder)), quote(str(tmp_path)))
    async with cutting(tmp_path, postgres_server) as cutter, opened(at(through)) as store:
        await store.apply(Put(kind="k", key="a", data={}, expect=ABSENT))
        for turn in range(1, 6):
            cutter.when = when
            await store.apply(Put(kind="k", key="a", data={"turn": turn}, expect=turn))
            record = await store.get("k", "a")
            assert record is not None
            assert (record.data, record.revision) == ({"turn": turn}, turn + 1)
        assert cutter.cuts == 5


async def test_connections_that_an_administrator_ends_are_not_felt(
    postgres_server: Server, open_postgres: OpenPostgres
):
    async with open_postgres() as store:
        for turn in range(3):
            await store.apply(Put(kind="k", key="a", data={"turn": turn}))
            await asyncio.gather(*(store.get("k", "a") for _ in range(8)))
            await asyncio.to_thread(
                postgres_server.psql,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'devbench'",
            )
            records = await asyncio.gather(*(store.get("k", "a") for _ in range(8)))
            assert [record.data for record in records if record] == [{"turn": turn}] * 8


@pytest.mark.timeout(120)
async def test_a_server_that_crashes_and_comes_back_has_what_was_acknowledged():
    with server() as mine:
        settings = at(await asyncio.to_thread(mine.database), retries=12)
        async with opened(settings) as store:
            await store.apply(*(Put(kind="k", key=f"{n:03}", data={"n": n}) for n in range(50)))
            await asyncio.to_thread(mine.stop, signal.SIGQUIT)
            writing = asyncio.create_task(store.apply(Put(kind="k", key="050", data={"n": 50})))
            reading = asyncio.create_task(store.list("k", limit=1000))
            await asyncio.wait([writing, reading], timeout=0.2)
            assert not writing.done()
            await asyncio.to_thread(mine.start)
            await writing
            await reading
            assert [r.data["n"] for r in (await store.list("k", limit=1000)).records] == list(range(51))


async def test_a_server_that_stays_away_is_a_clear_error_in_bounded_time(tmp_path: Path):
    absent = at(f"postgresql://devbench:secret@/devbench?host={quote(str(tmp_path))}", retries=1)
    with pytest.raises(StoreFailed, match="cannot be reached") as refused:
        await asyncio.wait_for(opened(absent).__aenter__(), timeout=30)
    assert "secret" not in str(refused.value)
    assert refused.value.retry


@pytest.mark.timeout(120)
async def test_a_commit_that_a_crash_left_unanswered_is_not_called_done(tmp_path: Path):
    with server() as mine:
        url = await asyncio.to_thread(mine.database)
        through = url.replace(quote(str(mine.folder)), quote(str(tmp_path)))
        async with cutting(tmp_path, mine) as cutter, opened(at(through, retries=20)) as store:
            await store.apply(Put(kind="k", key="a", data={}, expect=ABSENT))
            cutter.when = "crash"
            writing = asyncio.create_task(store.apply(Put(kind="k", key="a", data={"n": 1}, expect=1)))
            async with asyncio.timeout(20):
                await cutter.reached.wait()
            await asyncio.to_thread(mine.stop, signal.SIGQUIT)
            await asyncio.to_thread(mine.start)
            cutter.go_on.set()
            with pytest.raises(StoreFailed, match="outcome unknown"):
                await writing
            record = await store.get("k", "a")
            assert record is not None
            assert record.data == {"n": 1}, "it was committed, but nobody can be sure of that"


async def test_a_pool_closes_also_where_a_connection_breaks_at_its_last_word(url: str):
    async def unable_to_send(connection: Any) -> None:
        sent_by = connection._transport.get_extra_info("socket")
        backend = connection.get_server_pid()
        os.kill(backend, signal.SIGSTOP)  # or the server's end could be heard before ours is told
        stopped.append(backend)
        socket.socket.shutdown(sent_by._sock, socket.SHUT_WR)

    stopped: list[int] = []
    settings = at(url)
    readers = Readers(settings, address_of(settings))
    await readers.open()
    try:
        await readers.read(unable_to_send)
        await readers.close()
    finally:
        for backend in stopped:
            os.kill(backend, signal.SIGCONT)
    assert readers.size == 0
