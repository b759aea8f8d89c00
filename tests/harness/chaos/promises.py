"""One fault after the other under load, and whether what was promised holds."""

from __future__ import annotations

import asyncio
import os
import secrets
import time

import pytest

from harness.chaos.book import Book
from harness.chaos.check import check
from harness.chaos.client import Client
from harness.chaos.faults import lose_the_lock
from harness.chaos.load import SHARED, Load
from harness.chaos.lockers import lockers
from harness.chaos.report import figures
from harness.chaos.world import BUSY, Fault, World

CLIENTS = 5
OPERATIONS = int(os.environ.get("DEVBENCH_TEST_CHAOS_OPERATIONS", "20"))
"""Of all clients together, for each fault."""
SEED = os.environ.get("DEVBENCH_TEST_CHAOS_SEED") or secrets.token_hex(4)
FIRST_S, REST_S = (0.1, 0.5), (1.0, 3.0)
TIMEOUT_S = 120 + 4 * OPERATIONS


def named(faults: dict[str, Fault]) -> pytest.MarkDecorator:
    """Return what runs a test with each of them, under their names."""
    return pytest.mark.parametrize("fault", faults.values(), ids=[name.replace(" ", "-") for name in faults])


async def promises_hold(world: World, fault: Fault) -> None:
    """Let a fault happen at random moments while clients work, and compare what they were told with what is there."""
    book = Book()
    begun, times = time.monotonic(), 0
    client = Client(world, book)
    world.refuses = frozenset()
    try:
        await client.call("spawn", alias=BUSY, persistent=True)
        for path, text in ((SHARED, "start"), ("told", "")):
            await client.call("fs_write", container=BUSY, path=path, text=text)
        async with (
            lockers(world.lock.url, world.store_url, book, fault.__name__),
            asyncio.TaskGroup() as tasks,
        ):
            loads = [
                tasks.create_task(Load(world, book, f"{fault.__name__}-{number}").work(OPERATIONS // CLIENTS))
                for number in range(CLIENTS)
            ]
            rest = FIRST_S
            while True:
                await asyncio.wait(loads, timeout=world.chance.uniform(*rest))
                if all(load.done() for load in loads):
                    break
                times, rest = times + 1, REST_S
                book.note(f"fault {fault.__name__}")
                await fault(world)
                book.note("fault is over")
        assert times, "the load was over before anything went wrong"
        await check(world, book, one_holder=fault is not lose_the_lock)
        await client.call("kill", container=BUSY)
        figures(fault.__name__, times, book, time.monotonic() - begun)
    except BaseException:
        print(f"seed {SEED}", *book.history, sep="\n")  # noqa: T201 - for whoever looks for the cause
        raise
