"""A host as a process of its own that claims whatever hosts claim, as fast as it can, until it is killed.

Run as ``python -m harness.claiming_host FOLDER CONFIG CONTAINER SEED``. It writes a line of JSON for each claim, with
the time of the monotonic clock, which all processes share: ``got`` after it was made, ``lets`` before it is given up.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import DevbenchError
from devbench_core.execs.endings import never_ran
from devbench_core.model.execution import ExecRequest
from devbench_core.testing.fake import FakePlugin

COMMANDS, KEYS, LIVES = 4, 2, 2
"""How many of each are under way at once in a host."""
KEY_S = 0.3
"""For how long all hosts use the same key."""
ALIASES = ("first", "second", "third")
WAIT_S = 20.0
REST_S = 0.02
SCRIPT = """
exec 8>>lock-1 9>>lock-2
if flock -n 8 || flock -n 9; then
    echo "$1" >> ran
    sleep 0.03 8>&- 9>&-
else
    echo "$1" >> over
fi
"""
"""Holds one of two locks while it runs: one that finds both taken is the third at the same moment.

The shell alone holds it: a child that is being ended with it may be there a moment longer, and counts no more.
"""


class Claimer:
    """Claims, and tells what it got."""

    def __init__(self, bench: devbench_core.Bench, container: str, chance: random.Random) -> None:
        self._bench = bench
        self._container = container
        self._chance = chance

    async def run(self) -> None:
        """Claim without end."""
        self._tell("opened", "", "")
        work = [self._command] * COMMANDS + [self._keyed] * KEYS + [self._live] * LIVES
        async with asyncio.TaskGroup() as tasks:
            for step in work:
                tasks.create_task(self._repeat(step))

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except DevbenchError as error:
                self._tell("failed", error.code, error.message)
            await asyncio.sleep(self._chance.uniform(0, REST_S))

    async def _command(self) -> None:
        request = ExecRequest(argv=("sh", "-c", SCRIPT, "sh", "any"), queue_s=self._chance.choice([0, 5]))
        started = await self._bench.execs.start(self._container, request)
        await self._bench.execs.wait(started.id, wait_s=WAIT_S)

    async def _keyed(self) -> None:
        key = f"key-{int(time.monotonic() / KEY_S)}"
        request = ExecRequest(argv=("sh", "-c", SCRIPT, "sh", key), queue_s=5)
        started = await self._bench.execs.start(self._container, request, idempotency_key=key)
        ended = await self._bench.execs.wait(started.id, wait_s=WAIT_S)
        if ended.ending is not None and not never_ran(ended.ending):
            self._tell("key", key, ended.id)

    async def _live(self) -> None:
        alias = self._chance.choice(ALIASES)
        try:
            spawned = await self._bench.containers.spawn(SpawnRequest(alias=alias, persistent=True))
        except DevbenchError:
            if self._chance.random() < 0.3:  # perhaps of a host that died
                await self._kill(alias, (await self._bench.containers.get(alias)).id)
            return
        self._tell("got", alias, spawned.container.id)
        await asyncio.sleep(self._chance.uniform(0, 0.1))
        await self._kill(alias, spawned.container.id)

    async def _kill(self, alias: str, container_id: str) -> None:
        self._tell("lets", alias, container_id)
        await self._bench.containers.kill(container_id)

    def _tell(self, what: str, name: str, value: str) -> None:
        sys.stdout.write(json.dumps([time.monotonic(), what, name, value]) + "\n")
        sys.stdout.flush()


async def main() -> None:
    """Open the host and let it claim."""
    folder, config, container, seed = sys.argv[1:]
    async with devbench_core.open(json.loads(config), plugins=[FakePlugin(Path(folder))]) as bench:
        await Claimer(bench, container, random.Random(seed)).run()  # noqa: S311 - repeated by its seed


if __name__ == "__main__":
    asyncio.run(main())
