"""Three hosts under load, and one fault after the other: what was promised holds, and nothing is done twice.

`nox -s chaos` does it at length. ``DEVBENCH_CHAOS_SEED`` repeats the choices of a run, not its timing.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from harness.chaos import BUSY, FAULTS, Book, Client, Fault, Load, World, check
from harness.host_group import host_group
from harness.postgres import Server, server
from harness.redis_server import RedisServer

CLIENTS = 5
OPERATIONS = int(os.environ.get("DEVBENCH_CHAOS_OPERATIONS", "30"))
"""Of all clients together, for each fault."""
SEED = os.environ.get("DEVBENCH_CHAOS_SEED") or secrets.token_hex(4)
REST_S = (1.0, 3.0)
TIMEOUT_S = 120 + 2 * OPERATIONS

pytestmark = [pytest.mark.timeout(TIMEOUT_S), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """Three hosts on servers of their own."""
    tmp_path = tmp_path_factory.mktemp("chaos")
    engine = Path("/var/tmp") / f"devbench-chaos-{secrets.token_hex(4)}"
    try:
        with server(durable=True) as store, RedisServer() as lock:
            async with host_group(tmp_path, values(store, lock, tmp_path, engine)) as group:
                chance = random.Random(SEED)  # noqa: S311 - repeated by its seed
                containers = engine / "containers"
                yield World(group=group, store=store, lock=lock, containers=containers, chance=chance)
    finally:
        shutil.rmtree(engine, ignore_errors=True)


def values(store: Server, lock: RedisServer, folder: Path, engine: Path) -> dict[str, Any]:
    """Return the configuration of the hosts."""
    return {
        "runtime": "bubblewrap",
        "store": "sql",
        "lock": "redis",
        "images": {"default": "host"},
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "lifetimes": {"hand_over": True, "check_interval_s": 1, "leader_ttl_s": 2},
        "startup": {"heartbeat_s": 0.5, "dead_after_s": 1.5},
        "plugin": {
            "sql": {"url": store.database(), "connect_timeout_s": 1, "busy_timeout_s": 3},
            "redis": {"url": lock.url},
            "bubblewrap": {"folder": str(engine)},
        },
    }


@pytest.mark.parametrize("fault", FAULTS.values(), ids=[name.replace(" ", "-") for name in FAULTS])
async def test_what_was_promised_holds_although(world: World, fault: Fault):
    book = Book()
    await Client(world, book).call("spawn", alias=BUSY, persistent=True)
    try:
        async with asyncio.TaskGroup() as tasks:
            loads = [
                tasks.create_task(Load(world, book, f"{fault.__name__}-{number}").work(OPERATIONS // CLIENTS))
                for number in range(CLIENTS)
            ]
            while True:
                await asyncio.wait(loads, timeout=world.chance.uniform(*REST_S))
                if all(load.done() for load in loads):
                    break
                book.note(f"fault {fault.__name__}")
                await fault(world)
                book.note("fault is over")
        await check(world, book)
        await Client(world, book).call("kill", container=BUSY)
    except BaseException:
        print(f"seed {SEED}", *book.history, sep="\n")  # noqa: T201 - for whoever looks for the cause
        raise
