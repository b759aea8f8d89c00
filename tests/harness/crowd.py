"""A host with many containers at once, as a process of its own: ``python -m harness.crowd CONFIG COUNT``.

It prints what it measured as JSON: times in milliseconds, memory in bytes.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.model.execution import ExecRequest

SPAWNS_AT_ONCE = 8
CALLS_AT_ONCE = 8
"""Calls under way in all containers together: more only wait for the processors."""
ROUNDS = 5
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def memory_bytes() -> int:
    """Return what this process has of memory now."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE_BYTES


def descriptors(store: str) -> int:
    """Return how many this process has open, but those of the store: it opens a connection when one is needed first.

    Args:
        store: The folder of its files.
    """
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one of this very look
            found += not str(entry.readlink()).startswith(store)
    return found


async def measured(
    calls: Sequence[Callable[[], Awaitable[object]]], at_once: int
) -> tuple[list[float], float]:
    """Make all calls, so many at once; return the time of each, and of all."""
    turns, times = asyncio.Semaphore(at_once), list[float]()

    async def one(call: Callable[[], Awaitable[object]]) -> None:
        async with turns:
            begun = time.perf_counter()
            await call()
            times.append((time.perf_counter() - begun) * 1000)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(one(call))
    return times, (time.perf_counter() - begun) * 1000


async def crowd(config: dict[str, Any], count: int) -> dict[str, float]:
    """Spawn, work in each, and kill."""
    async with devbench_core.open(config) as bench:
        await _work(bench, [f"w{number}" for number in range(CALLS_AT_ONCE)])  # pools are full then
        before, open_before, tasks_before = (
            memory_bytes(),
            descriptors(config["state_dir"]),
            len(asyncio.all_tasks()),
        )
        figures = await _work(bench, [f"c{number}" for number in range(count)])
        await bench.containers.settle()
        left = [each async for each in bench.runtime.list(bench.installation)]
        async with asyncio.timeout(10):
            while descriptors(config["state_dir"]) > open_before or len(asyncio.all_tasks()) > tasks_before:
                await asyncio.sleep(0.05)
        return {**figures, "host_bytes_each": (figures["host_bytes"] - before) / count, "left": len(left)}


async def _work(bench: devbench_core.Bench, names: Sequence[str]) -> dict[str, float]:
    spawns, spawned_ms = await measured([_spawn(bench, name) for name in names], SPAWNS_AT_ONCE)
    runs, ran_ms = await measured([_command(bench, name) for name in names] * ROUNDS, CALLS_AT_ONCE)
    files, _ = await measured([_file(bench, name) for name in names] * ROUNDS, CALLS_AT_ONCE)
    crowded = memory_bytes()
    kills, _ = await measured([_kill(bench, name) for name in names], SPAWNS_AT_ONCE)
    return {
        "containers": len(names),
        "spawn_p50_ms": statistics.median(spawns),
        "spawns_per_s": len(names) / spawned_ms * 1000,
        "command_p50_ms": statistics.median(runs),
        "command_p95_ms": statistics.quantiles(runs, n=20)[-1],
        "commands_per_s": len(runs) / ran_ms * 1000,
        "file_p95_ms": statistics.quantiles(files, n=20)[-1],
        "kill_p50_ms": statistics.median(kills),
        "host_bytes": crowded,
    }


def _spawn(bench: devbench_core.Bench, name: str) -> Callable[[], Awaitable[object]]:
    return lambda: bench.containers.spawn(SpawnRequest(alias=name))


def _command(bench: devbench_core.Bench, name: str) -> Callable[[], Awaitable[object]]:
    async def run() -> None:
        started = await bench.execs.start(name, ExecRequest(argv=("/bin/echo", name)))
        page = await bench.execs.poll(started.id, wait_s=30)
        assert b"".join(chunk.data for chunk in page.chunks) == f"{name}\n".encode()

    return run


def _file(bench: devbench_core.Bench, name: str) -> Callable[[], Awaitable[object]]:
    async def write_and_read() -> None:
        await bench.files.write(name, "mine", name.encode())
        assert (await bench.files.read(name, "mine")).data == name.encode()

    return write_and_read


def _kill(bench: devbench_core.Bench, name: str) -> Callable[[], Awaitable[object]]:
    return lambda: bench.containers.kill(name)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(crowd(json.loads(sys.argv[1]), int(sys.argv[2])))))  # noqa: T201 - its output
