"""Slots with random endings and killed hosts: never more commands than are allowed, and every slot comes back."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from devbench_core.channel.codes import RunState
from devbench_core.contracts.store import Store
from devbench_core.contracts.stream import ByteStream
from devbench_core.errors import ConcurrencyLimit
from devbench_core.execs.settings import ExecLimits
from devbench_core.memory.store import MemoryStore
from devbench_core.model.execution import Exec, ExecRequest
from harness.agent_host import CONTAINER_ID, Host, LocalAgent, eventually, host_in, open_host, running_agent
from harness.mortal_host import Life, MortalStore, MortalStream

LIMIT = 2
LIMITS = ExecLimits(concurrent_per_container=LIMIT, queue_per_container=100)
QUEUE_S = 60.0
WAIT_S = 30.0
LIFE_S = 60.0
REQUESTS = {
    "exits": ExecRequest(argv=("true",), queue_s=QUEUE_S),
    "takes a while": ExecRequest(argv=("sleep", "0.02"), queue_s=QUEUE_S),
    "dies": ExecRequest(argv=("sh", "-c", "kill -9 $$"), queue_s=QUEUE_S),
    "times out": ExecRequest(argv=("sleep", "600"), timeout_s=0.02, grace_s=0, queue_s=QUEUE_S),
    "is cancelled": ExecRequest(argv=("sleep", "600"), grace_s=0, queue_s=QUEUE_S),
    "its caller leaves": ExecRequest(argv=("sleep", "600"), grace_s=0, queue_s=QUEUE_S),
    "is not found": ExecRequest(argv=("no-such-program",), queue_s=QUEUE_S),
    "may be refused": ExecRequest(argv=("true",)),
}
WAYS = st.lists(st.sampled_from(sorted(REQUESTS)), min_size=1, max_size=8)
LIVES = st.lists(st.tuples(WAYS, st.none() | st.integers(0, 30)), min_size=1, max_size=3)


@given(LIVES)
@settings(max_examples=60, deadline=None)
def test_every_slot_comes_back_however_commands_end_and_whoever_dies(
    lives: list[tuple[list[str], int | None]],
):
    with tempfile.TemporaryDirectory() as folder, running_agent(Path(folder)) as agent:
        asyncio.run(check(agent, lives))


async def check(agent: LocalAgent, lives: list[tuple[list[str], int | None]]) -> None:
    store, dead = MemoryStore(), {"i_claims"}
    async with open_host(agent.connect, agent.token, store=store, instance="i_claims") as first:
        await first.link.channel()
    for number, (ways, steps) in enumerate(lives):
        await live(agent, store, f"i_{number}", dead, ways, steps)
    async with open_host(
        agent.connect, agent.token, claim=False, store=store, instance="i_last", exec_limits=LIMITS
    ) as host:
        host.dead |= dead
        await host.execs.recover(attrs.evolve(host.container, instance="i_last"))
        for left in await host.execs.list(CONTAINER_ID, running=True):
            await host.execs.cancel(left.id)
        assert host.execs.running_here == 0
        assert all(each.ending for each in await host.execs.list(CONTAINER_ID))
        await until_nothing_runs(host)
        await check_that_the_limit_is_exact(host)


async def until_nothing_runs(host: Host) -> None:
    """Wait until what a dead host had begun and not recorded is ended: it runs, so it counts."""
    await host.execs.start(CONTAINER_ID, REQUESTS["exits"])  # the first start sees to that
    channel = await host.link.channel()
    async with asyncio.timeout(WAIT_S):
        while any(entry.state is RunState.RUNNING for entry in await channel.list_execs()):
            await asyncio.sleep(0.01)
    await eventually(lambda: not host.execs.running_here)


async def check_that_the_limit_is_exact(host: Host) -> None:
    request = ExecRequest(argv=("sleep", "600"), grace_s=0)
    results = await asyncio.gather(
        *(host.execs.start(CONTAINER_ID, request) for _ in range(LIMIT + 2)), return_exceptions=True
    )
    running = [result for result in results if isinstance(result, Exec)]
    refused = [result for result in results if isinstance(result, ConcurrencyLimit)]
    assert (len(running), len(refused)) == (LIMIT, 2)
    for each in running:
        await host.execs.cancel(each.id)


async def live(
    agent: LocalAgent, store: Store, instance: str, dead: set[str], ways: list[str], steps: int | None
) -> None:
    """Let a host live with its callers, to its end or to its death."""
    life = Life(steps=steps)

    async def connect() -> ByteStream:
        return MortalStream(await agent.connect(), life)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            host = host_in(
                tasks,
                connect,
                agent.token,
                claim=False,
                store=MortalStore(store, life),
                instance=instance,
                exec_limits=LIMITS,
            )
            host.dead = dead
            await host.execs.recover(attrs.evolve(host.container, instance=instance))
            for left in await host.execs.list(CONTAINER_ID, running=True):
                await host.execs.cancel(left.id)  # of a host that died before
            assert host.execs.running_here == 0
            await asyncio.gather(*(call(host, way) for way in ways))
            await eventually(lambda: not host.execs.running_here)  # whose callers left are ended behind them
            await host.link.aclose()
            await host.execs.aclose()

    living = asyncio.create_task(run())
    dying = asyncio.create_task(life.died.wait())
    await asyncio.wait([living, dying], return_when=asyncio.FIRST_COMPLETED, timeout=LIFE_S)
    assert life.died.is_set() or living.done()
    dead.add(instance)
    for task in (living, dying):
        task.cancel()
    results = await asyncio.gather(living, dying, return_exceptions=True)
    if not life.died.is_set():
        assert results[0] is None, results


async def call(host: Host, way: str) -> None:
    """Start a command and see to its ending."""
    starting = asyncio.create_task(host.execs.start(CONTAINER_ID, REQUESTS[way]))
    if way == "its caller leaves":
        await asyncio.sleep(0)
        starting.cancel()
    try:
        started = await starting
    except ConcurrencyLimit:
        assert way == "may be refused"
        return
    except asyncio.CancelledError:
        if way == "its caller leaves":
            return
        raise
    assert host.execs.running_here <= LIMIT
    if way in {"is cancelled", "its caller leaves"}:
        await host.execs.cancel(started.id)
    assert (await host.execs.wait(started.id, wait_s=WAIT_S)).ending is not None
