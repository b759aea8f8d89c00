"""A load that is killed in its middle leaves the store as it was, and can be done again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from devbench_core.contracts.store import Put, Record, Store
from devbench_core.contracts.store_powers import DumpItem, SupportsDump, SupportsLoad
from devbench_core.testing.kit import open_provider
from devbench_store_sql import plugin
from harness.postgres import Server

(SQL,) = plugin.devbench_stores()
Open = Callable[[], AbstractAsyncContextManager[Store]]
RECORDS = 3000
KILL_AFTER = 2500
"""More than is written at a time: much of it is in the database's files already."""
END_TIMEOUT_S = 30
LOAD = """
import asyncio, json, os, sys
from pathlib import Path
from devbench_core.contracts.store import Record
from devbench_core.testing.kit import open_provider
from devbench_store_sql import plugin

async def items(stop_after):
    for number in range(RECORDS):
        if number == stop_after:
            print("in the middle", flush=True)
            await asyncio.Event().wait()
        yield Record(kind="new", key=f"{number:05}", revision=2, data={"text": "x" * 500}, terms=frozenset({"t"}))

async def main():
    (provider,) = plugin.devbench_stores()
    async with open_provider(provider, Path(sys.argv[1]), settings=json.loads(sys.argv[2])) as store:
        await store.load(items(KILL_AFTER), replace=True)

asyncio.run(main())
""".replace("RECORDS", str(RECORDS)).replace("KILL_AFTER", str(KILL_AFTER))


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def chosen(request: pytest.FixtureRequest) -> dict[str, str]:
    """Give the settings of a database."""
    if request.param == "SQLite":
        return {"cache_kib": "64"}  # what does not fit is written into the log before the commit
    server: Server = request.getfixturevalue("postgres_server")
    return {"url": server.database()}


@pytest.fixture
def open_store(chosen: dict[str, str], tmp_path: Path) -> Open:
    """Open it."""
    return lambda: open_provider(SQL, tmp_path, settings=chosen)


def killed_in_the_middle(folder: Path, chosen: dict[str, str]) -> None:
    argv = [sys.executable, "-c", LOAD, str(folder), json.dumps(chosen)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in the middle\n"
    os.kill(process.pid, signal.SIGKILL)
    process.stdout.close()
    process.wait(END_TIMEOUT_S)


async def new() -> AsyncGenerator[DumpItem]:
    for number in range(RECORDS):
        yield Record(kind="new", key=f"{number:05}", revision=2, data={}, terms=frozenset({"t"}))


async def everything(store: Store) -> list[DumpItem]:
    assert isinstance(store, SupportsDump)
    async with store.dump() as items:
        return [item async for item in items]


async def test_a_load_that_is_killed_in_its_middle_changed_nothing_and_can_be_done_again(
    open_store: Open, chosen: dict[str, str], tmp_path: Path
):
    async with open_store() as store:
        await store.apply(*(Put(kind="old", key=str(n), data={}, terms=frozenset({"t"})) for n in range(9)))
        before = await everything(store)
    killed_in_the_middle(tmp_path, chosen)
    async with open_store() as store:
        assert await everything(store) == before
        assert len((await store.list("old", terms=frozenset({"t"}))).records) == 9
        await store.apply(Put(kind="old", key="0", data={"after": True}))
        assert isinstance(store, SupportsLoad)
        await store.load(new(), replace=True)
        assert len(await everything(store)) == RECORDS
