"""A host process that says whether it leads, and stalls in the middle of a round when it is told to."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.contracts.store import Put
from devbench_core.errors import DevbenchError
from devbench_core.metrics import registry
from devbench_core.testing.fake.plugin import FakePlugin

LOOK_S = 0.01
WAIT_S = 60.0
LATE_WRITE = Put(kind="late", key="x", data={})
LATE: list[asyncio.Task[None]] = []


class LeadingHost:
    """One, as a test sees it."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def says(self) -> str:
        """Return its next line."""
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), WAIT_S)).decode().strip()

    async def says_once_it_leads(self) -> str:
        """Return its next line but for those on leading: a busy machine may cost it the lease for a moment."""
        while (line := await self.says()) in {"follows", "leads"}:
            pass
        return line

    async def told(self, line: str) -> None:
        """Tell it something: ``spawn TTL_S``, ``stall``, or what ends a stall."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        await self.process.stdin.drain()


async def started(config: Mapping[str, Any], containers: Path) -> LeadingHost:
    """Start one that is open."""
    argv = (sys.executable, "-m", "harness.leading_host", json.dumps(config), str(containers))
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    host = LeadingHost(await asyncio.create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, env=env))
    assert await host.says() == "open"
    return host


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - read by the test


async def _tell(stop: asyncio.Event) -> None:
    leads = False
    while not stop.is_set():
        now = bool(registry().get_sample_value("devbench_leader"))
        if now != leads:
            leads = now
            _say("leads" if now else "follows")
        await asyncio.sleep(LOOK_S)


def _stall(bench: devbench_core.Bench) -> None:
    """Let the next round stop, and all of the process with it, until there is a line; then go on with it."""
    reap = bench.containers.reap

    async def stalled() -> None:
        bench.containers.reap = reap
        _say("stalls")
        sys.stdin.readline()

        async def go_on() -> None:
            try:
                await bench.containers.repository.store.apply(LATE_WRITE)
                await reap()
            except DevbenchError as error:
                _say(f"refused: {error.code}")
            else:
                _say("done")

        # Beside the round, which is cancelled: as if it had been in the middle of a call of the store.
        LATE.append(asyncio.create_task(go_on()))
        await asyncio.shield(LATE[-1])

    bench.containers.reap = stalled


async def _run(config: Mapping[str, Any], containers: Path) -> None:
    stop = asyncio.Event()
    async with (
        devbench_core.open(config, plugins=[FakePlugin(containers)]) as bench,
        asyncio.TaskGroup() as tasks,
    ):
        _say("open")
        tasks.create_task(_tell(stop))
        while line := (await asyncio.to_thread(sys.stdin.readline)).split():
            if line[0] == "spawn":
                spawned = await bench.containers.spawn(SpawnRequest(ttl_s=float(line[1]), persistent=True))
                _say(f"spawned {spawned.container.id}")
            elif line[0] == "stall":
                _stall(bench)
                return_to = asyncio.Event()
                await return_to.wait()  # the next line is the stalled round's
        stop.set()


if __name__ == "__main__":
    asyncio.run(_run(json.loads(sys.argv[1]), Path(sys.argv[2])))
