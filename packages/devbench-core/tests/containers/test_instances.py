"""Whether a host lives is seen by its process, and by its heartbeat."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs

from devbench_core.clock import SystemClock
from devbench_core.containers.instances import Instance, Instances, this_process
from devbench_core.memory.store import MemoryStore
from devbench_core.testing.fake import FakeClock
from harness.agent_host import eventually


def status_of(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third on: the state, …, the start time as the 20th."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def host_of(process: subprocess.Popen[bytes]) -> Instance:
    """Describe a process as a host."""
    ours = this_process("i_other", serving=True, now=datetime.now(UTC))
    return attrs.evolve(ours, pid=process.pid, pid_started=status_of(process.pid)[19])


async def test_a_killed_host_is_dead_also_before_its_parent_has_buried_it():
    instances = Instances(MemoryStore(), SystemClock(), dead_after_s=600)
    with subprocess.Popen(["sleep", "600"]) as process:  # noqa: ASYNC220 - it starts at once
        await instances.beat(host_of(process))
        assert await instances.alive("i_other")
        process.kill()
        await eventually(lambda: status_of(process.pid)[0] == "Z")
        assert not await instances.alive("i_other")


async def test_a_stopped_host_is_dead_when_it_was_silent_for_too_long():
    clock = FakeClock()
    instances = Instances(MemoryStore(), clock, dead_after_s=10)
    with subprocess.Popen(["sleep", "600"]) as process:  # noqa: ASYNC220 - it starts at once
        await instances.beat(host_of(process))
        process.send_signal(19)
        await eventually(lambda: status_of(process.pid)[0] == "T")
        assert await instances.alive("i_other")
        clock.pass_s(9)
        assert await instances.alive("i_other")
        clock.pass_s(1)
        assert not await instances.alive("i_other")
        process.kill()


def elsewhere() -> Instance:
    """Describe a host of another machine."""
    return attrs.evolve(this_process("i_far", serving=True, now=datetime.now(UTC)), boot_id="another")


class SetClock(FakeClock):
    """A clock that can be set without time passing."""

    wrong_by = timedelta()

    def now(self) -> datetime:
        """What it shows."""
        return super().now() + self.wrong_by


async def test_a_host_whose_clock_is_wrong_lives_as_long_as_it_beats():
    store, ours, theirs = MemoryStore(), SetClock(), SetClock()
    here, far = (Instances(store, clock, dead_after_s=10) for clock in (ours, theirs))
    await far.beat(elsewhere())
    assert await here.alive("i_far")
    for step in (timedelta(hours=1), timedelta(hours=-1)):
        ours.wrong_by += step
        for _ in range(5):
            ours.pass_s(5)
            await far.beat(elsewhere())
            assert await here.alive("i_far")


async def test_a_silent_host_is_dead_whatever_the_clock_was_set_to():
    store, clock = MemoryStore(), SetClock()
    instances = Instances(store, clock, dead_after_s=10)
    await instances.beat(elsewhere())
    assert await instances.alive("i_far")
    clock.wrong_by = timedelta(hours=-1)
    clock.pass_s(10)
    assert not await instances.alive("i_far")


async def test_while_nobody_could_look_nobody_was_silent():
    store, clock = MemoryStore(), FakeClock()
    instances = Instances(store, clock, dead_after_s=10)
    await instances.beat(elsewhere())
    assert await instances.alive("i_far")
    clock.pass_s(2)
    await instances.beat(elsewhere())
    assert await instances.alive("i_far")
    clock.pass_s(60)  # the store was away
    assert await instances.alive("i_far")
    for _ in range(4):
        clock.pass_s(2)
        assert await instances.alive("i_far")
    clock.pass_s(2)
    assert not await instances.alive("i_far")


async def test_who_looks_seldom_sees_at_the_second_look_that_a_host_beats_no_longer():
    store, clock = MemoryStore(), FakeClock()
    instances = Instances(store, clock, dead_after_s=10)
    await instances.beat(elsewhere())
    assert await instances.alive("i_far")
    for _ in range(3):
        await instances.beat(elsewhere())
        clock.pass_s(600)
        assert await instances.alive("i_far")
    clock.pass_s(600)
    assert await instances.alive("i_far")  # the store may have been away
    clock.pass_s(600)
    assert not await instances.alive("i_far")
    await instances.beat(elsewhere())  # it was only cut off
    assert await instances.alive("i_far")


async def test_a_host_that_looks_all_the_time_excuses_every_time_when_it_could_not():
    store, clock = MemoryStore(), FakeClock()
    instances = Instances(store, clock, dead_after_s=10, watching=True)
    await instances.beat(elsewhere())
    assert await instances.alive("i_far")
    await instances.beat(elsewhere())
    for _ in range(3):
        clock.pass_s(600)  # the store was away again before the other could beat
        assert await instances.alive("i_far")


async def test_at_the_first_look_the_time_of_the_heartbeat_counts():
    store, clock = MemoryStore(), SetClock()
    await Instances(store, clock, dead_after_s=10).beat(elsewhere())
    clock.pass_s(10)
    assert not await Instances(store, clock, dead_after_s=10).alive("i_far")


async def test_this_host_lives_whatever_is_written():
    clock = FakeClock()
    instances = Instances(MemoryStore(), clock, dead_after_s=10, own="i_far")
    await instances.beat(elsewhere())
    clock.pass_s(3600)
    assert await instances.alive("i_far")
    assert [lives for _, lives in await instances.all()] == [True]


async def test_a_process_that_was_never_heard_of_is_no_host():
    assert not await Instances(MemoryStore(), SystemClock(), dead_after_s=600).alive("i_nobody")
