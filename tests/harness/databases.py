"""Databases for tests of `devbench db`: filled as a host would, and read as an operator does."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

from devbench_core.clock import SystemClock
from devbench_core.containers.instances import KIND as INSTANCE
from devbench_core.containers.instances import Instances, this_process
from devbench_core.contracts.provider import OpenContext
from devbench_core.contracts.store import Append, LogEntry, Put, Remove, Store
from devbench_core.identity import KEY, KIND
from devbench_store_sql import plugin
from devbench_store_sql.settings import SqlSettings

(SQL,) = plugin.devbench_stores()
URL = "DEVBENCH_PLUGIN__SQL__URL"
INSTALLATION = "n_01hzy0000000000000000000aa"
NO_RUNTIME = {"DEVBENCH_RUNTIME": "absent"}
"""No engine is there, nor even its plugin."""


def with_store(folder: Path, variables: dict[str, str], work: Callable[[Store], Awaitable[None]]) -> None:
    """Work with the store that variables choose, as a host would."""
    chosen = SqlSettings.model_validate({"url": variables[URL]} if variables else {})
    context = OpenContext(installation="", state_dir=folder, cache_dir=folder, clock=SystemClock())

    async def whole() -> None:
        async with SQL.open(chosen, context) as store:
            await work(store)

    asyncio.run(whole())


async def filled(store: Store) -> None:
    """Keep some of everything."""
    await store.apply(Put(kind=KIND, key=KEY, data={"id": INSTALLATION}))
    for number in range(3):
        await store.apply(Put(kind="k", key="a", data={"n": number}, terms=frozenset({"t", "ä"})))
    await store.apply(*(Put(kind="many", key=f"{n:04}", data={"text": "x" * 50}) for n in range(700)))
    entries = tuple(LogEntry(seq=seq, data=bytes([seq % 256]) * 1000) for seq in range(1, 400))
    await store.apply(Append(log="out", entries=entries))


async def lived_on(store: Store) -> None:
    """Say that a host lives: this process."""
    now = SystemClock().now()
    await Instances(store, SystemClock(), 30).beat(this_process("i_host", serving=True, now=now))


async def left(store: Store) -> None:
    """Say that it ended."""
    await store.apply(Remove(kind=INSTANCE, key="i_host"))


def done_well(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def content(text: str) -> list[str]:
    """Return the lines of a dump without what tells when and by whom it was made."""
    lines = text.splitlines()
    return lines[1:-1]
