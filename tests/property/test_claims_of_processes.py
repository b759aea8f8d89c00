"""Three hosts that are killed and stopped at random, and claim all that there is: nothing twice, and nothing for ever.

``DEVBENCH_TEST_CLAIMS_SEED`` repeats the choices of a run, not its timing; ``DEVBENCH_TEST_CLAIMS_FACTOR`` lets it last
so many times as long.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, suppress
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest

import devbench_core
from devbench_core.bench import Bench
from devbench_core.containers import SpawnRequest
from devbench_core.containers.repository import ALIAS_KIND
from devbench_core.errors import ConcurrencyLimit, FileMissing
from devbench_core.model.execution import Exec, ExecRequest
from devbench_core.pools import records as warm_records
from devbench_core.testing.fake import FakePlugin
from devbench_core.testing.fake.bench import LOOSE
from harness.leftovers import end_what_names
from harness.pools import pools_of
from harness.postgres import Server

FACTOR = float(os.environ.get("DEVBENCH_TEST_CLAIMS_FACTOR", "1"))
SEED = os.environ.get("DEVBENCH_TEST_CLAIMS_SEED") or secrets.token_hex(4)
HOSTS, LIMIT = 3, 2
CONTAINERS_MAX = 3
"""Of the tenant, the one that the commands run in included: fewer than there are aliases."""
LASTS_S = 10.0 * FACTOR
REST_S = (0.3, 1.5)
DEAD_AFTER_S = 1.0
SETTLED_S = 30.0
START_S = 60.0


@attrs.frozen(kw_only=True)
class Told:
    """What a host said."""

    at_s: float
    what: str
    name: str
    value: str


@attrs.define
class Crowd:
    """The hosts, and all that they said, in the order of the clock."""

    folder: Path
    config: dict[str, Any]
    container: str
    chance: random.Random
    hosts: list[asyncio.subprocess.Process] = attrs.field(factory=list[asyncio.subprocess.Process])
    readers: list[asyncio.Task[None]] = attrs.field(factory=list[asyncio.Task[None]])
    told: list[Told] = attrs.field(factory=list[Told])

    async def start(self) -> None:
        """Start one more, and wait until it claims."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "harness.claiming_host", str(self.folder / "containers")),
            *(json.dumps(self.config), self.container, str(self.chance.random())),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        self.hosts.append(process)
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            assert await process.stdout.readline(), "the host ended"
        self.readers.append(asyncio.create_task(self._read(process.stdout)))

    async def trouble(self) -> None:
        """Kill one, and start another, or stop one until the others have taken it for dead."""
        host = self.chance.choice(self.hosts)
        if self.chance.random() < 0.7:
            await self.kill(host)
            await self.start()
            return
        host.send_signal(signal.SIGSTOP)
        await asyncio.sleep(self.chance.uniform(0.5, 2.0) * DEAD_AFTER_S)
        host.send_signal(signal.SIGCONT)

    async def kill(self, host: asyncio.subprocess.Process) -> None:
        """End one as ``kill -9`` does."""
        self.hosts.remove(host)
        assert host.returncode is None, "a host ended by itself"
        host.kill()
        await host.wait()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            with suppress(ValueError):  # a line that its host was killed within
                at_s, what, name, value = json.loads(line)
                self.told.append(Told(at_s=at_s, what=what, name=name, value=value))


@pytest.fixture(autouse=True)
def nothing_runs_on(tmp_path: Path) -> Generator[None]:
    """End what the fake runtime does not know."""
    yield
    end_what_names(tmp_path)


def config_of(folder: Path, server: Server) -> dict[str, Any]:
    return {
        "plugins": ["sql"],
        "runtime": "fake",
        "store": "sql",
        "state_dir": str(folder / "state"),
        "cache_dir": str(folder / "cache"),
        "policy": LOOSE,
        "pools": pools_of(3, check_interval_s=0.5),
        "execs": {"concurrent_per_container": LIMIT},
        "containers": {"per_tenant_max": CONTAINERS_MAX},
        "startup": {"heartbeat_s": DEAD_AFTER_S / 3, "dead_after_s": DEAD_AFTER_S},
        "lifetimes": {"check_interval_s": 0.5, "leader_ttl_s": 2},
        "plugin": {"sql": {"url": server.database()}},
    }


@asynccontextmanager
async def opened(folder: Path, config: dict[str, Any]) -> AsyncGenerator[tuple[Bench, FakePlugin]]:
    fakes = FakePlugin(folder / "containers")
    async with devbench_core.open(config, plugins=[fakes]) as bench:
        yield bench, fakes


@pytest.mark.timeout(240 + 4 * LASTS_S)
async def test_nothing_is_claimed_twice_and_nothing_for_ever_whoever_dies(
    tmp_path: Path, postgres_server: Server
):
    config, chance = config_of(tmp_path, postgres_server), random.Random(SEED)  # noqa: S311 - repeatable
    print(f"DEVBENCH_TEST_CLAIMS_SEED={SEED}")  # noqa: T201 - shown when it fails
    async with opened(tmp_path, config) as (bench, _):
        lab = (await bench.containers.spawn(SpawnRequest(alias="lab", persistent=True))).container.id
    crowd = Crowd(tmp_path, config, lab, chance)
    try:
        await asyncio.gather(*(crowd.start() for _ in range(HOSTS)))
        until_s = time.monotonic() + LASTS_S
        while time.monotonic() < until_s:
            await asyncio.sleep(chance.uniform(*REST_S))
            await crowd.trouble()
    finally:
        await asyncio.gather(*(crowd.kill(host) for host in list(crowd.hosts)))
        await asyncio.gather(*crowd.readers)
    check_what_was_told(crowd.told)
    async with opened(tmp_path, config) as (bench, fakes):
        await check_commands(bench, lab, crowd.told)
        await check_that_nothing_is_left(bench, fakes, lab)


def check_what_was_told(told: list[Told]) -> None:
    print(Counter((each.what, each.name) for each in told if each.what == "failed"))  # noqa: T201 - likewise
    got = [each for each in told if each.what == "got"]
    assert len(got) >= HOSTS, Counter((each.what, each.name) for each in told)
    twice = [key for key, number in Counter(each.value for each in got).items() if number > 1]
    assert not twice, "a container was given to two"
    ends: defaultdict[str, float] = defaultdict(lambda: float("inf"))
    for each in told:
        if each.what == "lets":
            ends[each.value] = min(ends[each.value], each.at_s)
    for alias in {each.name for each in got}:
        held = sorted((each.at_s, each.value) for each in got if each.name == alias)
        for (_, one), (begins, other) in pairwise(held):
            assert ends[one] < begins, f"{alias!r} was of {one} and of {other} at once"
    moments = [(each.at_s, 1) for each in got]
    moments += [(at_s, -1) for container, at_s in ends.items() if container in {each.value for each in got}]
    together = list(accumulate(change for _, change in sorted(moments)))
    assert max(together) == CONTAINERS_MAX - 1, "the quota was exceeded, or never used up"
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for each in told:
        if each.what == "key":
            keys[each.name].add(each.value)
    assert len(keys) >= HOSTS
    assert all(len(execs) == 1 for execs in keys.values()), "a key stood for two commands"


async def check_commands(bench: Bench, lab: str, told: list[Told]) -> None:
    with pytest.raises(FileMissing):  # more commands ran at once than the limit
        await bench.files.stat(lab, "over")
    ran = Counter((await bench.files.read(lab, "ran")).data.decode().split())
    assert ran.pop("any") >= HOSTS * 5
    assert set(ran.values()) == {1}, "a command with a key ran twice"
    assert {each.name for each in told if each.what == "key"} <= ran.keys()


async def check_that_nothing_is_left(bench: Bench, fakes: FakePlugin, lab: str) -> None:
    deadline = time.monotonic() + SETTLED_S
    while (left := await what_is_left(bench, fakes, lab)) and time.monotonic() < deadline:
        for container in (await bench.containers.list()).containers:
            if container.id != lab:
                await bench.containers.kill(container.id)
        await bench.containers.sweep()
        await bench.services.tend_execs()
        await bench.pools.tend()
        await bench.pools.settle()
        await bench.containers.settle()
    assert not left
    request = ExecRequest(argv=("sleep", "60"), grace_s=0)
    started = await asyncio.gather(
        *(bench.execs.start(lab, request) for _ in range(LIMIT + 1)), return_exceptions=True
    )
    running = [each for each in started if isinstance(each, Exec)]
    assert len(running) == LIMIT, started
    assert [type(each) for each in started if not isinstance(each, Exec)] == [ConcurrencyLimit]
    for each in running:
        await bench.execs.cancel(each.id)
    await bench.containers.kill(lab)


async def what_is_left(bench: Bench, fakes: FakePlugin, lab: str) -> list[str]:
    """Name what has not come to its end yet."""
    store = bench.store
    left = [f"runs {each.id}" for each in await bench.execs.list(lab, running=True)]
    left += [f"alias {record.key}" for record in (await store.list(ALIAS_KIND)).records[1:]]
    living = [each.id for each in (await bench.containers.list()).containers]
    left += [f"lives {each}" for each in living if each != lab]
    waiting = [warm.id async for warm in warm_records.listed(store)]
    places = [
        str(record.data["container_id"]) for record in (await store.list(warm_records.SLOT_KIND)).records
    ]
    there = sorted([each.container_id async for each in fakes.runtime.list(bench.installation)])
    if sorted(places) != sorted(waiting) or there != sorted([*waiting, *living]):
        left.append(f"engine {there}, warm {waiting} in {places}, living {living}")
    return left
