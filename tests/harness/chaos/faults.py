"""What goes wrong; each puts right again what it broke, also when it is cancelled."""

from __future__ import annotations

import asyncio
import signal
import subprocess

from harness.chaos.disks import filled
from harness.chaos.world import AT_LENGTH, Fault, World

STALL_S, DOWN_S = 3.0, 1.0
FULL_S, PARTED_S, SLOW_S, STEPPED_S = 2.0, 4.0, 3.0, 3.0
DELAY_S = 0.3
STEPS_S = (-7200, -600, -5, 5, 600, 7200)
SWITCH = "SELECT pg_switch_wal()"


async def kill_a_host(world: World) -> None:
    """As ``kill -9`` does; a new one takes its address a little later."""
    port = world.somebody()
    process = world.group.processes.pop(port)
    process.kill()
    await process.wait()
    await asyncio.sleep(DOWN_S)
    await world.group.start(port)


async def stall_a_host(world: World) -> None:
    """For longer than it takes to be succeeded."""
    process = world.group.processes[world.somebody()]
    process.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(STALL_S)
    finally:
        process.send_signal(signal.SIGCONT)


async def crash_the_store(world: World) -> None:
    """All its processes at once."""
    await asyncio.to_thread(world.store.stop, signal.SIGQUIT)
    try:
        await asyncio.sleep(DOWN_S)
    finally:
        await asyncio.to_thread(world.store.start)


async def cut_the_store(world: World) -> None:
    """Every connection to it."""
    statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    await asyncio.to_thread(world.store.psql, statement + " AND datname LIKE 't_%'")


async def fill_the_store(world: World) -> None:
    """Its disk; when it needs a new piece of its log then, it goes down, and comes up again only with room."""
    try:
        with filled(world.store.folder):
            if world.chance.random() < 0.5:
                await asyncio.to_thread(_switched, world)
            await asyncio.sleep(FULL_S)
    finally:
        await asyncio.to_thread(world.store.revive)


def _switched(world: World) -> None:
    try:
        world.store.psql(SWITCH)
    except (RuntimeError, subprocess.TimeoutExpired):
        return  # it went down


async def fill_the_workspaces(world: World) -> None:
    """Their disk: what is refused then is refused by name, and nothing that was told is lost."""
    assert world.disk is not None
    world.refuses = frozenset({"no_space"})
    with filled(world.disk):
        await asyncio.sleep(FULL_S)


async def lose_the_lock(world: World) -> None:
    """Its server comes back empty."""
    await asyncio.to_thread(world.lock.kill)
    try:
        await asyncio.sleep(DOWN_S)
    finally:
        await asyncio.to_thread(world.lock.start)


async def step_a_clock(world: World) -> None:
    """The wall clock of one host, there and back."""
    clock = world.clocks[world.chance.choice(sorted(world.clocks))]
    clock.step(world.chance.choice(STEPS_S))
    try:
        await asyncio.sleep(STEPPED_S)
    finally:
        clock.step(0)


async def part_a_host(world: World) -> None:
    """From the store: what either sends to the other is lost, and nobody is told."""
    assert world.link is not None
    await asyncio.to_thread(world.link.set_up, False)
    try:
        await asyncio.sleep(PARTED_S)
    finally:
        await asyncio.to_thread(world.link.set_up, True)


async def slow_the_engine(world: World) -> None:
    """Everything that is said to it and by it, commands' channels included."""
    assert world.proxy is not None
    world.proxy.delay_s = DELAY_S
    try:
        await asyncio.sleep(SLOW_S)
    finally:
        world.proxy.delay_s = 0.0


async def cut_the_engine(world: World) -> None:
    """Every connection to it, and new ones for a time."""
    assert world.proxy is not None
    world.proxy.cut()
    try:
        await asyncio.sleep(DOWN_S)
    finally:
        world.proxy.mend()


async def restart_the_engine(world: World) -> None:
    """All its processes, while containers live on."""
    assert world.restart_engine is not None
    await world.restart_engine()


FAULTS: dict[str, Fault] = {
    "a host is killed": kill_a_host,
    "a host stalls": stall_a_host,
    "the store crashes": crash_the_store,
    "connections to the store are cut": cut_the_store,
    "the lock loses its data": lose_the_lock,
    "a clock steps": step_a_clock,
    "the disk of the workspaces is full": fill_the_workspaces,
}
if AT_LENGTH:  # both are slow
    FAULTS.update(
        {"a host is parted from the store": part_a_host, "the disk of the store is full": fill_the_store}
    )
ENGINE_FAULTS: dict[str, Fault] = {
    "the engine is slow": slow_the_engine,
    "connections to the engine are cut": cut_the_engine,
    "the engine restarts": restart_the_engine,
}
