"""Retention against a plain model: whatever ends, passes, sweeps, reads and dies in whatever order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from devbench_core.contracts.store import Store
from devbench_core.errors import ExecNotFound, ExecPurged
from devbench_core.execs import records, tombstones
from devbench_core.execs.retention import GRACE_S
from devbench_core.execs.settings import ExecLimits
from devbench_core.journal.log import log_name
from devbench_core.memory.store import MemoryStore
from devbench_core.model.execution import Exec
from devbench_core.testing.fake import FakeClock
from harness.agent_host import Host, host_in, open_host
from harness.mortal_host import Life, MortalStore
from harness.planting import nobody, plant

CONTAINERS = ("c_" + "1" * 20, "c_" + "2" * 20)
LIMITS = ExecLimits(retain_s=1000.0, retain_per_container=3, purged_retain_s=2000.0, purged_per_container=4)
OUTPUT = [b"%d\n" % number for number in range(20)]


class StillClock(FakeClock):
    """Time that only a test moves."""

    def now(self) -> datetime:
        """Return the moved time."""
        return datetime(2026, 1, 1, tzinfo=UTC) + self.ahead


@attrs.frozen
class End:
    """A command ends."""

    container: str


@attrs.frozen
class Pass:
    """Time passes."""

    seconds: float


@attrs.frozen
class Sweep:
    """Hosts sweep at once; each dies after so many steps, None for not at all."""

    lives: list[int | None]


@attrs.frozen
class Read:
    """Somebody reads the output of one of the commands."""

    number: int


STEP = st.one_of(
    st.builds(End, container=st.sampled_from(CONTAINERS)),
    st.builds(End, container=st.sampled_from(CONTAINERS)),
    st.builds(Pass, seconds=st.sampled_from([1.0, 30.0, GRACE_S, 500.0, 1000.0, 2000.0])),
    st.builds(Sweep, lives=st.lists(st.none() | st.integers(0, 10), min_size=1, max_size=3)),
    st.builds(Read, number=st.integers(0, 30)),
)
Step = End | Pass | Sweep | Read


@given(st.lists(STEP, max_size=30))
@settings(max_examples=100, deadline=None)
def test_what_may_not_go_is_there_and_what_must_go_goes(steps: list[Step]):
    asyncio.run(check(steps))


async def check(steps: list[Step]) -> None:
    store, clock = MemoryStore(), StillClock()
    ended: list[Exec] = []
    for step in steps:
        match step:
            case End(container):
                ended.append(await plant(store, clock.now(), *OUTPUT, container_id=container))
            case Pass(seconds):
                clock.pass_s(seconds)
            case Sweep(lives):
                await asyncio.gather(*(sweep(store, clock, steps) for steps in lives))
            case Read(number):
                if ended:
                    await read(store, clock, ended, ended[number % len(ended)])
    for _ in range(3):
        await sweep(store, clock, None)
    for each in ended:
        kept = await store.get(records.KIND, each.id) is not None
        assert kept == (not may_go(each, ended, clock.now()))
        assert kept == bool(await store.read(log_name(each.id)))
        await read(store, clock, ended, each)
    for container in CONTAINERS:
        words = frozenset({f"container={container}"})
        found = (await store.list(tombstones.KIND, terms=words)).records
        assert len(found) <= LIMITS.purged_per_container
        assert not any(tombstones.UNFINISHED in record.terms for record in found)


def may_go(command: Exec, all_of_them: list[Exec], now: datetime) -> bool:
    """Tell whether a command is beyond its retention. What is stays so."""
    age_s = (now - command.created_at).total_seconds()
    later = [
        each
        for each in all_of_them
        if each.container_id == command.container_id
        and (each.created_at, each.id) > (command.created_at, command.id)
    ]
    crowded = len(later) >= LIMITS.retain_per_container and age_s >= GRACE_S
    return age_s >= LIMITS.retain_s or crowded


async def read(store: Store, clock: FakeClock, ended: list[Exec], command: Exec) -> None:
    async with open_host(nobody, b"", store=store, exec_limits=LIMITS, clock=clock) as host:
        host.container = attrs.evolve(host.container, id=command.container_id)
        listed = command.id in [each.id for each in await host.execs.list(command.container_id)]
        try:
            page = await host.execs.poll(command.id)
        except (ExecPurged, ExecNotFound):
            assert may_go(command, ended, clock.now())
            assert not listed
            return
        assert listed
        assert page.ending == command.ending
        assert b"".join(chunk.data for chunk in page.chunks) == b"".join(OUTPUT)


async def sweep(store: Store, clock: FakeClock, steps: int | None) -> None:
    """Let a host sweep once, or die in the middle of it."""
    life = Life(steps=steps)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            mortal = MortalStore(store, life)
            host: Host = host_in(tasks, nobody, b"", store=mortal, exec_limits=LIMITS, clock=clock)
            await host.execs.sweep()

    sweeping, dying = asyncio.create_task(run()), asyncio.create_task(life.died.wait())
    await asyncio.wait([sweeping, dying], return_when=asyncio.FIRST_COMPLETED, timeout=30)
    assert life.died.is_set() or sweeping.done()
    for task in (sweeping, dying):
        task.cancel()
    (outcome, _) = await asyncio.gather(sweeping, dying, return_exceptions=True)
    assert outcome is None or life.died.is_set(), outcome
