"""Ended commands are kept as long, and as many, as is configured; then they are purged, and that is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from devbench_core.contracts.store import LogEntry, RecordPage, Remove, Store
from devbench_core.errors import ExecNotFound, ExecPurged
from devbench_core.execs import holds, records, tombstones
from devbench_core.execs.retention import GRACE_S
from devbench_core.execs.settings import ExecLimits
from devbench_core.journal.log import log_name
from devbench_core.memory.store import MemoryStore
from devbench_core.model.caller import Caller
from devbench_core.model.execution import Exec, ExecRequest
from devbench_core.testing.fake import FakeClock
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, open_host
from harness.mortal_host import Life, MortalStore
from harness.planting import nobody, plant

DAY_S = 86400.0
LIMITS = ExecLimits(retain_s=DAY_S, retain_per_container=3, purged_retain_s=2 * DAY_S, purged_per_container=5)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def host(local_agent: LocalAgent, clock: FakeClock) -> AsyncGenerator[Host]:
    async with open_host(local_agent.connect, local_agent.token, exec_limits=LIMITS, clock=clock) as opened:
        yield opened


async def ended(host: Host, words: str = "echo out; echo err >&2") -> Exec:
    started = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sh", "-c", words)))
    return await host.execs.wait(started.id, wait_s=10)


async def sweep_all(host: Host) -> None:
    """Sweep until nothing is left to do."""
    for _ in range(4):
        await host.execs.sweep()


async def traces(store: Store, exec_id: str) -> list[str]:
    """Return what the store has of a command."""
    found = [kind for kind in (records.KIND, tombstones.KIND) if await store.get(kind, exec_id)]
    return [*found, *(["journal"] if await store.read(log_name(exec_id)) else [])]


Ask = Callable[[Host, str], Awaitable[object]]
ASKS: dict[str, Ask] = {
    "get": lambda host, exec_id: host.execs.get(exec_id),
    "poll": lambda host, exec_id: host.execs.poll(exec_id),
    "wait": lambda host, exec_id: host.execs.wait(exec_id, wait_s=1),
    "cancel": lambda host, exec_id: host.execs.cancel(exec_id),
    "signal": lambda host, exec_id: host.execs.signal(exec_id, "TERM"),
    "process": lambda host, exec_id: host.execs.process(exec_id),
}


async def test_an_ended_command_is_kept_for_its_time_and_then_purged(host: Host, clock: FakeClock):
    old = await ended(host)
    clock.pass_s(DAY_S - 60)
    young = await ended(host)
    await sweep_all(host)
    assert (await host.execs.get(old.id)).ending == old.ending
    clock.pass_s(60)
    await sweep_all(host)
    assert [each.id for each in await host.execs.list(CONTAINER_ID)] == [young.id]
    for ask in ASKS.values():
        with pytest.raises(ExecPurged, match=r"was purged at .* execs\.retain_s = 86400 asks") as caught:
            await ask(host, old.id)
        assert caught.value.details["setting"] == "execs.retain_s"
        assert old.ending is not None
        assert caught.value.details["ended_at"] == old.ending.at.isoformat()
    assert await traces(host.store, old.id) == [tombstones.KIND]
    assert b"".join(chunk.data for chunk in (await host.execs.poll(young.id)).chunks) != b""


async def test_of_more_than_are_kept_the_oldest_are_purged_after_a_grace(host: Host, clock: FakeClock):
    commands = [await ended(host) for _ in range(5)]
    await sweep_all(host)
    assert len(await host.execs.list(CONTAINER_ID)) == 5
    clock.pass_s(GRACE_S)
    await sweep_all(host)
    assert [each.id for each in await host.execs.list(CONTAINER_ID)] == [each.id for each in commands[2:]]
    with pytest.raises(ExecPurged, match=r"execs\.retain_per_container = 3"):
        await host.execs.get(commands[0].id)


async def test_a_container_is_not_counted_again_before_a_count_can_show_something(
    host: Host, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
):
    counted: list[frozenset[str]] = []
    listed = host.store.list

    async def listing(kind: str, *, terms: frozenset[str], after: str = "", limit: int) -> RecordPage:
        if f"container={CONTAINER_ID}" in terms and kind == records.KIND:
            counted.append(terms)
        return await listed(kind, terms=terms, after=after, limit=limit)

    monkeypatch.setattr(host.store, "list", listing)
    await ended(host)
    await sweep_all(host)  # one, and room for two more
    assert len(counted) == 1
    for _ in range(4):
        await ended(host)
        await sweep_all(host)  # at the fourth there is one too many, within its grace
    assert len(counted) == 2
    clock.pass_s(GRACE_S - 1)
    await sweep_all(host)
    assert len(counted) == 2
    clock.pass_s(1)
    await sweep_all(host)
    assert len(counted) == 3


async def test_a_clock_that_is_set_back_does_not_stop_the_counting(
    host: Host, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(5):
        await ended(host)
    await sweep_all(host)
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() - timedelta(hours=6))
    for _ in range(5):
        await ended(host)
    clock.pass_s(2 * GRACE_S)
    await sweep_all(host)
    assert len(await host.execs.list(CONTAINER_ID)) == 5


async def test_a_held_command_is_kept_however_many_are_newer_and_no_longer_than_its_time(
    host: Host, clock: FakeClock
):
    commands = [await ended(host) for _ in range(5)]
    for name in ("one", "other"):
        await host.store.apply(holds.hold(name, commands[0].id, CONTAINER_ID))
    clock.pass_s(GRACE_S)
    await sweep_all(host)
    kept = [commands[0], *commands[2:]]
    assert [each.id for each in await host.execs.list(CONTAINER_ID)] == [each.id for each in kept]
    await host.store.apply(holds.release("one"), holds.release("never"))
    await ended(host)
    clock.pass_s(GRACE_S)
    await sweep_all(host)
    assert (await host.execs.get(commands[0].id)).ending is not None
    await host.store.apply(holds.release("other"))
    await ended(host)
    clock.pass_s(GRACE_S)
    await sweep_all(host)
    with pytest.raises(ExecPurged, match=r"execs\.retain_per_container"):
        await host.execs.get(commands[0].id)
    last = (await host.execs.list(CONTAINER_ID))[0]
    await host.store.apply(holds.hold("late", last.id, CONTAINER_ID))
    clock.pass_s(DAY_S)
    await sweep_all(host)
    with pytest.raises(ExecPurged, match=r"execs\.retain_s"):
        await host.execs.get(last.id)


async def test_a_running_command_is_never_purged_however_old_it_is(host: Host, clock: FakeClock):
    running = await host.execs.start(CONTAINER_ID, ExecRequest(argv=("sh", "-c", "echo here; sleep 300")))
    await host.execs.poll(running.id, wait_s=10)
    clock.pass_s(10 * DAY_S)
    for _ in range(4):
        await ended(host)
    clock.pass_s(GRACE_S)
    await sweep_all(host)
    found = await host.execs.list(CONTAINER_ID)
    assert running.id in [each.id for each in found]
    assert len(found) == 4
    assert (await host.execs.poll(running.id)).chunks[0].data == b"here\n"
    await host.execs.cancel(running.id)


async def test_another_tenant_does_not_learn_that_a_command_was_purged(host: Host, clock: FakeClock):
    old = await ended(host)
    clock.pass_s(DAY_S)
    await sweep_all(host)
    with pytest.raises(ExecNotFound):
        await host.execs.get(old.id, caller=Caller(tenant="other"))


async def test_it_is_known_for_a_while_and_of_some_that_a_command_was_purged(host: Host, clock: FakeClock):
    first = await ended(host)
    clock.pass_s(DAY_S)
    await sweep_all(host)
    clock.pass_s(2 * DAY_S - 1)
    await sweep_all(host)
    with pytest.raises(ExecPurged):
        await host.execs.get(first.id)
    clock.pass_s(1)
    await sweep_all(host)
    with pytest.raises(ExecNotFound):
        await host.execs.get(first.id)
    assert await traces(host.store, first.id) == []
    commands: list[Exec] = []
    for _ in range(7):
        clock.pass_s(1)
        commands.append(await ended(host))
        clock.pass_s(DAY_S / 10)
        await sweep_all(host)
    clock.pass_s(DAY_S)
    await sweep_all(host)
    known = [each.id for each in commands if await host.store.get(tombstones.KIND, each.id)]
    assert known == [each.id for each in commands[2:]]


async def test_a_repeat_with_the_key_of_a_purged_command_does_not_run_it_again(
    host: Host, local_agent: LocalAgent, clock: FakeClock
):
    request = ExecRequest(argv=("sh", "-c", "echo ran >> count"))
    first = await host.execs.start(CONTAINER_ID, request, idempotency_key="k")
    await host.execs.wait(first.id, wait_s=10)
    for _ in range(3):
        await ended(host, "true")
    clock.pass_s(GRACE_S)
    await sweep_all(host)
    with pytest.raises(ExecPurged, match="'k'") as caught:
        await host.execs.start(CONTAINER_ID, request, idempotency_key="k")
    assert caught.value.details["setting"] == "execs.retain_per_container"
    await host.store.apply(Remove(kind=tombstones.KIND, key=first.id))
    with pytest.raises(ExecPurged, match="'k'") as caught:
        await host.execs.start(CONTAINER_ID, request, idempotency_key="k")
    assert caught.value.details == {"exec_id": first.id}
    assert (local_agent.workspace / "count").read_text() == "ran\n"


async def test_a_host_remembers_no_longer_what_another_one_purged(local_agent: LocalAgent, clock: FakeClock):
    store = MemoryStore()
    async with (
        open_host(
            local_agent.connect, local_agent.token, store=store, exec_limits=LIMITS, clock=clock
        ) as one,
        open_host(nobody, b"", store=store, exec_limits=LIMITS, clock=clock, instance="i_two") as two,
    ):
        old = await ended(one)
        clock.pass_s(DAY_S)
        await sweep_all(two)
        await one.execs.sweep()
        with pytest.raises(ExecPurged):
            await one.execs.get(old.id)


class BusyStore(MemoryStore):
    """Lets something happen just before a certain reading of output."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.at = 0
        self.happens: Callable[[], Awaitable[None]] | None = None

    async def read(self, log: str, *, after: int = 0, limit: int = 100) -> tuple[LogEntry, ...]:
        self.reads += 1
        if self.happens is not None and self.reads == self.at:
            happens, self.happens = self.happens, None
            await happens()
        return await super().read(log, after=after, limit=limit)


PIECES = [b"%d\n" % number for number in range(40)]


async def read_all(host: Host, exec_id: str, max_bytes: int | None) -> tuple[bytes, bool]:
    """Return the output as a client gets it, and whether it was purged in the middle of that."""
    cursor, got = 0, b""
    while True:
        try:
            page = await host.execs.poll(exec_id, after=cursor, max_bytes=max_bytes)
        except ExecPurged:
            return got, True
        got += b"".join(chunk.data for chunk in page.chunks)
        cursor = page.cursor
        if page.ending is not None:
            return got, False


@pytest.mark.parametrize("max_bytes", [1, 50, None])
@pytest.mark.parametrize("at", range(1, 8))
async def test_a_reader_in_the_middle_gets_its_bytes_or_hears_that_they_were_purged(
    clock: FakeClock, at: int, max_bytes: int | None
):
    store = BusyStore()
    old = await plant(store, clock.now(), *PIECES)
    clock.pass_s(DAY_S)
    async with (
        open_host(nobody, b"", store=store, exec_limits=LIMITS, clock=clock) as one,
        open_host(nobody, b"", store=store, exec_limits=LIMITS, clock=clock, instance="i_two") as two,
    ):
        store.at, store.happens = at, lambda: sweep_all(two)
        got, purged = await read_all(one, old.id, max_bytes)
        whole = b"".join(PIECES)
        assert whole.startswith(got)
        assert purged or got == whole
        assert purged == (store.happens is None)


@pytest.mark.parametrize("at", [1, 2, 5])
async def test_a_reader_of_output_that_left_memory_hears_that_it_was_purged(
    local_agent: LocalAgent, clock: FakeClock, at: int
):
    store = BusyStore()
    limits = LIMITS.model_copy(update={"journal_memory_bytes": 64 * 1024})
    async with (
        open_host(
            local_agent.connect, local_agent.token, store=store, exec_limits=limits, clock=clock
        ) as one,
        open_host(nobody, b"", store=store, exec_limits=LIMITS, clock=clock, instance="i_two") as two,
    ):
        old = await ended(one, "head -c 3000000 /dev/zero")
        clock.pass_s(DAY_S)
        store.reads, store.at, store.happens = 0, at, lambda: sweep_all(two)
        async with asyncio.timeout(20):
            got, purged = await read_all(one, old.id, 100_000)
        assert purged
        assert len(got) < 3_000_000
        with pytest.raises(ExecPurged):
            await one.execs.poll(old.id)


@pytest.mark.parametrize("steps", range(12))
async def test_a_purge_that_was_killed_is_finished_by_the_next_sweep(clock: FakeClock, steps: int):
    store, life = MemoryStore(), Life(steps=steps)
    commands = [await plant(store, clock.now(), b"x", b"y") for _ in range(3)]
    clock.pass_s(DAY_S)
    async with open_host(nobody, b"", store=MortalStore(store, life), exec_limits=LIMITS, clock=clock) as one:
        sweep = asyncio.create_task(one.execs.sweep())
        died = asyncio.create_task(life.died.wait())
        await asyncio.wait([sweep, died], return_when=asyncio.FIRST_COMPLETED)
        sweep.cancel()
        died.cancel()
        await asyncio.gather(sweep, died, return_exceptions=True)
    async with open_host(nobody, b"", store=store, exec_limits=LIMITS, clock=clock, instance="i_two") as two:
        for each in commands:
            got, purged = await read_all(two, each.id, None)
            assert purged or got == b"xy"
        await two.execs.sweep()
        for each in commands:
            assert await traces(store, each.id) == [tombstones.KIND]
        unfinished = await store.list(tombstones.KIND, terms=frozenset({tombstones.UNFINISHED}))
        assert unfinished.records == ()


async def test_hosts_that_sweep_at_once_purge_the_same(clock: FakeClock):
    store = MemoryStore()
    for _ in range(120):
        clock.pass_s(1)
        await plant(store, clock.now(), b"x")
    last = [await plant(store, clock.now() + timedelta(seconds=number), b"x") for number in range(3)]
    clock.pass_s(GRACE_S + 5)
    async with AsyncExitStack() as stack:
        hosts = [
            await stack.enter_async_context(
                open_host(nobody, b"", store=store, exec_limits=LIMITS, clock=clock, instance=f"i_{n}")
            )
            for n in range(3)
        ]
        for _ in range(4):
            await asyncio.gather(*(host.execs.sweep() for host in hosts))
        assert await hosts[0].execs.list(CONTAINER_ID) == tuple(last)
        known = await store.list(tombstones.KIND)
        assert len(known.records) == LIMITS.purged_per_container
