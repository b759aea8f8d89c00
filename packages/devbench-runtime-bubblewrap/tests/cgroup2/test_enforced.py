"""What version 2 does with the limits of a container."""

import os
from collections.abc import Callable
from pathlib import Path

import attrs

from devbench_core.model.policy import MEBIBYTE, Policy
from devbench_core.testing.living import Live, Requests
from devbench_core.testing.seeing import until
from devbench_runtime_bubblewrap.runtime import BubblewrapRuntime

Groups = Callable[[str], Path]
LIMITED = {"memory", "cpu", "pids"}


def read(group: Path, name: str) -> str:
    return (group / name).read_text("ascii").strip()


def counters(group: Path, name: str) -> dict[str, int]:
    return {key: int(value) for key, value in (line.split() for line in read(group, name).splitlines())}


def membership(pid: str) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text("ascii").strip().removeprefix("0::")


async def test_each_limit_is_in_the_file_that_the_kernel_reads(
    live: Live, wanted: Requests, policy: Policy, group: Groups
):
    mine = attrs.evolve(policy, memory_bytes=64 * MEBIBYTE, cpus=0.5, pids=24)
    async with live(await wanted(policy=mine)) as container:
        limits = {
            name: read(group(container.ref), name)
            for name in ("memory.max", "memory.swap.max", "cpu.max", "pids.max")
        }
    assert limits == {
        "memory.max": str(64 * MEBIBYTE),
        "memory.swap.max": "0",
        "cpu.max": "50000 100000",
        "pids.max": "24",
    }


async def test_controllers_are_let_through_down_to_the_containers_and_no_group_above_has_a_process(
    live: Live, wanted: Requests, group: Groups
):
    async with live(await wanted()) as container:
        mine = group(container.ref)
        installation, top, base = mine.parents[:3]
        for above in (installation, top, base):
            assert set(read(above, "cgroup.subtree_control").split()) >= LIMITED
        inner = [installation, top]
        if (base / "cgroup.type").exists():  # else the machine's root, to which the rule does not apply
            inner.append(base)
        assert [read(above, "cgroup.procs") for above in inner] == [""] * len(inner)
        assert len(read(mine, "cgroup.procs").split()) == 1


async def test_a_host_that_was_in_its_delegated_group_is_now_beneath_it(runtime: BubblewrapRuntime):
    [place] = runtime.groups.places
    base = place.group.parents[1]
    if (base / "cgroup.type").exists():
        assert str(os.getpid()) in read(place.group.parent / ".hosts", "cgroup.procs").split()
    else:
        assert membership("self") == "/"


async def test_all_that_a_command_starts_is_in_the_group_of_its_container(
    live: Live, wanted: Requests, group: Groups
):
    async with live(await wanted()) as container:
        tree = "sleep 60 & (sleep 60 & setsid sleep 60 & wait) & cat /proc/self/cgroup; exit 0"
        await container.run("/bin/sh", "-c", tree)
        mine = group(container.ref)
        inside = await until(lambda: read(mine, "cgroup.procs").split(), lambda pids: len(pids) >= 1)
        assert counters(mine, "cgroup.events")["populated"] == 1
        assert {membership(pid).rpartition("/")[2] for pid in inside} == {container.ref}


async def test_the_kernel_kills_what_goes_beyond_its_memory_and_counts_it(
    live: Live, wanted: Requests, policy: Policy, group: Groups
):
    small = attrs.evolve(policy, memory_bytes=48 * MEBIBYTE)
    async with live(await wanted(policy=small)) as container:
        mine = group(container.ref)
        assert counters(mine, "memory.events")["oom_kill"] == 0
        outcome = await container.run("/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1")
        assert outcome.code == 137
        assert counters(mine, "memory.events")["oom_kill"] == 1
        assert int(read(mine, "memory.current")) < 48 * MEBIBYTE
        assert (await container.run("/bin/echo", "alive")).text == "alive\n"


async def test_a_fork_bomb_is_held(live: Live, wanted: Requests, policy: Policy, group: Groups):
    few = attrs.evolve(policy, pids=32)
    bomb = "b() { b | b & }; b; sleep 1; echo over"
    async with live(await wanted(policy=few)) as container:
        mine = group(container.ref)
        await container.run("/usr/bin/timeout", "2", "/bin/sh", "-c", bomb)
        assert counters(mine, "pids.events")["max"] > 0
        assert int(read(mine, "pids.current")) <= 32


async def test_processor_time_is_throttled(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests, policy: Policy, group: Groups
):
    slow = attrs.evolve(policy, cpus=0.2)
    async with live(await wanted(policy=slow)) as container:
        before = counters(group(container.ref), "cpu.stat")
        outcome = await container.run("/usr/bin/timeout", "2", "/bin/sh", "-c", "while :; do :; done")
        after = counters(group(container.ref), "cpu.stat")
        stats = await runtime.stats(container.ref)
    assert after["nr_throttled"] > before["nr_throttled"]
    assert outcome.cores < 0.4
    assert stats.cpu_s is not None
    assert stats.cpu_s * 1_000_000 >= after["usage_usec"]


async def test_a_removed_container_leaves_no_group_whatever_ran_in_it(
    runtime: BubblewrapRuntime, live: Live, wanted: Requests, group: Groups
):
    async with live(await wanted()) as container:
        await container.run("/bin/sh", "-c", "for i in 1 2 3; do setsid sleep 600 & done; exit 0")
        mine = group(container.ref)
    assert mine.is_dir()
    await runtime.remove(container.ref)
    assert not mine.exists()
