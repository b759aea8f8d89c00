"""Retention of commands on whole benches: by a lifespan, with a database, until the container itself is forgotten."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

import devbench_core
from devbench_core.containers import SpawnRequest
from devbench_core.errors import ContainerNotFound, ExecNotFound, ExecPurged
from devbench_core.execs import records, tombstones
from devbench_core.execs.retention import GRACE_S
from devbench_core.journal.log import log_name
from devbench_core.model.execution import Exec, ExecRequest
from devbench_core.testing.fake import FakeClock
from devbench_core.testing.fake.bench import Opener
from devbench_core.tools.call import call_tool

LIMITS = {"retain_s": 600.0, "retain_per_container": 2}
DAY_S = 86400.0


async def ended(bench: devbench_core.Bench, container: str) -> Exec:
    started = await bench.execs.start(container, ExecRequest(argv=("echo", "out")))
    return await bench.execs.wait(started.id, wait_s=10)


async def gone(bench: devbench_core.Bench, exec_id: str) -> bool:
    return await bench.store.get(records.KIND, exec_id) is None


async def purged(bench: devbench_core.Bench, exec_id: str) -> None:
    """Wait until a command is said to be purged: it goes from the database first, then from this host's memory."""
    async with asyncio.timeout(10):
        with suppress(ExecPurged):
            while await bench.execs.poll(exec_id):
                await asyncio.sleep(0.01)


async def test_a_lifespan_purges_what_is_beyond_its_retention(opener: Opener, clock: FakeClock):
    async with opener(execs=LIMITS, lifetimes={"check_interval_s": 0.05}) as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        first, *rest = [await ended(bench, container) for _ in range(3)]
        clock.pass_s(GRACE_S)
        await purged(bench, first.id)
        assert await gone(bench, first.id)
        assert [each.id for each in await bench.execs.list(container)] == [each.id for each in rest]
        clock.pass_s(600)
        async with asyncio.timeout(10):
            while not all([await gone(bench, each.id) for each in rest]):
                await asyncio.sleep(0.01)


async def test_a_client_is_told_purged_and_not_not_found(opener: Opener, clock: FakeClock):
    async with opener(execs=LIMITS) as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        first = await ended(bench, container)
        clock.pass_s(600)
        await bench.execs.sweep()
        for tool in ("exec_poll", "exec_wait", "exec_cancel"):
            with pytest.raises(ExecPurged, match=r"execs\.retain_s") as caught:
                await call_tool(bench, tool, {"exec_id": first.id})
            assert caught.value.code == "exec_purged"
        listed = await call_tool(bench, "exec_list", {"container": container})
        assert listed.structured["execs"] == []


async def test_hosts_on_one_database_purge_beside_each_other(opener: Opener, clock: FakeClock):
    async with opener(execs=LIMITS) as one, opener(execs=LIMITS) as two:
        container = (await one.containers.spawn(SpawnRequest())).container.id
        commands = [await ended(bench, container) for bench in (one, two) * 5]
        clock.pass_s(GRACE_S)
        for _ in range(2):
            await asyncio.gather(one.execs.sweep(), two.execs.sweep())
        for bench in (one, two):
            found = await bench.execs.list(container)
            assert [each.id for each in found] == [each.id for each in commands[-2:]]
            for each in commands[:-2]:
                with pytest.raises(ExecPurged):
                    await bench.execs.poll(each.id)
                assert await bench.store.read(log_name(each.id)) == ()


async def test_of_a_forgotten_container_no_command_is_known_purged_or_not(opener: Opener, clock: FakeClock):
    async with opener(execs=LIMITS) as bench:
        container = (await bench.containers.spawn(SpawnRequest())).container.id
        purged = await ended(bench, container)
        clock.pass_s(600)
        await bench.execs.sweep()
        kept = await ended(bench, container)
        await bench.containers.kill(container)
        assert (await bench.execs.get(kept.id)).ending is not None
        clock.pass_s(8 * DAY_S)
        await bench.containers.sweep()
        with pytest.raises(ContainerNotFound):
            await bench.execs.list(container)
        for each in (purged, kept):
            with pytest.raises(ExecNotFound):
                await bench.execs.get(each.id)
            assert await bench.store.read(log_name(each.id)) == ()
        assert (await bench.store.list(tombstones.KIND)).records == ()
