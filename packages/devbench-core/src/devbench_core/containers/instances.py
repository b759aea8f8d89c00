"""Hosts: who is responsible for what, and whether it still lives."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import attrs

from devbench_core.clock import Clock
from devbench_core.contracts.store import Put, Record, Remove, Store
from devbench_core.records import from_json, to_json
from devbench_core.values import frozen

KIND = "instance"
UNHEARD = 0.5
"""Part of the time of silence after which a look that came so late does not count."""
HOSTS_MAX = 1000
"""That are looked at in one go."""
DEAD_STATES = frozenset("ZX")
"""Of a process in ``/proc/PID/stat``: it has ended, and its parent has not asked how."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")


@frozen
class Instance:
    """A host process.

    Attributes:
        id: Opaque, ``i_…``.
        boot_id: The machine's present life and the process namespace, within which a process id means something.
        pid: Its process id.
        pid_started: The kernel's start time of that process, which tells a reused pid.
        serving: Whether it is a long-lived host that adopts what dead hosts left.
        beat_at: When it last said that it lives, UTC.
        stopping: Whether it is about to end, so that nothing is left to it any more.
        runtime: The name of its runtime, "" of a host that does not say so: it looks after no other's containers.
    """

    id: str
    boot_id: str
    pid: int
    pid_started: str
    serving: bool
    beat_at: datetime
    stopping: bool = False
    runtime: str = ""


def this_process(instance_id: str, *, serving: bool, now: datetime, runtime: str = "") -> Instance:
    """Describe the running process."""
    pid = os.getpid()
    return Instance(
        id=instance_id,
        boot_id=_boot_id(),
        pid=pid,
        pid_started=_started(pid),
        serving=serving,
        beat_at=now,
        runtime=runtime,
    )


def sign_of(instance: Instance, now: datetime) -> Put:
    """Return what says that a host lives now."""
    return Put(kind=KIND, key=instance.id, data=to_json(attrs.evolve(instance, beat_at=now)))


@attrs.define(kw_only=True)
class _Seen:
    """When this host first saw another's present heartbeat, by its own monotonic clock.

    Attributes:
        looked_s: When it last looked: silence counts while somebody listens.
        moved: Whether an earlier one was seen: then the other beats, whatever its clock says.
        excused: Whether silence was already excused by not having looked.
    """

    revision: int
    at_s: float
    looked_s: float
    moved: bool = False
    excused: bool = False


class Instances:
    """Heartbeats in the store.

    A host on this machine is dead when its process is gone, and any host is when it is silent: one that is stopped, or
    that cannot reach the store, must not hold up what the others can do. It finds out when it goes on, since all that
    it then writes meets the revisions of those who took over.

    Clocks differ, and are set: so what counts is how long a heartbeat did not change by the clock of whoever looks, and
    the time that is written in it only at the first look.

    Args:
        store: Keeps the heartbeats.
        clock: Where time comes from.
        dead_after_s: Silence after which a host is taken for dead.
        own: The id of this host, which lives whatever is written.
        watching: Whether it looks all the time, as hosts that stay do: when such a look comes late, nobody could be
            heard. Whoever looks now and then is always late, and excuses a heartbeat that did not change only once.
    """

    def __init__(
        self, store: Store, clock: Clock, dead_after_s: float, own: str = "", *, watching: bool = False
    ) -> None:
        self._store = store
        self._clock = clock
        self._dead_after_s = dead_after_s
        self._own = own
        self._watching = watching
        self._seen: dict[str, _Seen] = {}

    async def beat(self, instance: Instance) -> None:
        """Say that a host lives."""
        await self._store.apply(sign_of(instance, self._clock.now()))

    async def alive(self, instance_id: str) -> bool:
        """Tell whether a host lives: by its process on this machine, and by its heartbeat."""
        if instance_id and instance_id == self._own:
            return True
        record = await self._store.get(KIND, instance_id) if instance_id else None
        if record is None:
            self._seen.pop(instance_id, None)
            return False
        return self._lives(record)

    async def stays(self, instance_id: str) -> bool:
        """Tell whether a host lives, and did not say that it is about to end."""
        record = await self._store.get(KIND, instance_id) if instance_id else None
        return record is not None and self._lives(record) and not from_json(Instance, record.data).stopping

    async def all(self, limit: int = HOSTS_MAX) -> tuple[tuple[Instance, bool], ...]:
        """Return the hosts that are known, each with whether it lives."""
        page = await self._store.list(KIND, limit=limit)
        for gone in self._seen.keys() - {record.key for record in page.records}:
            del self._seen[gone]
        return tuple(
            (from_json(Instance, record.data), record.key == self._own or self._lives(record))
            for record in page.records
        )

    async def sweep(self, batch: int) -> int:
        """Forget hosts that are dead for an hour; return how many."""
        dead = await self.dead(batch)
        for instance_id in dead:
            await self._store.apply(Remove(kind=KIND, key=instance_id))
        return len(dead)

    async def dead(self, batch: int = HOSTS_MAX) -> list[str]:
        """Return hosts that are dead for an hour, of so many that are looked at."""
        return [
            instance.id
            for instance, lives in await self.all(batch)
            if not lives and self._clock.now() - instance.beat_at > timedelta(hours=1)
        ]

    def _lives(self, record: Record) -> bool:
        instance = from_json(Instance, record.data)
        if instance.boot_id == _boot_id() and not _is_running(instance):
            return False
        now_s = self._clock.monotonic_s()
        seen = self._seen.get(record.key)
        if seen is None:
            self._seen[record.key] = _Seen(revision=record.revision, at_s=now_s, looked_s=now_s)
            return self._is_fresh(instance)
        unheard_s, seen.looked_s = now_s - seen.looked_s, now_s
        if seen.revision != record.revision:
            self._seen[record.key] = _Seen(revision=record.revision, at_s=now_s, looked_s=now_s, moved=True)
            return True
        may_excuse = seen.moved and (self._watching or not seen.excused)
        if may_excuse and self._dead_after_s * UNHEARD < unheard_s:
            # the store was away, or this machine: the other could not be heard either
            seen.at_s, seen.excused = now_s, True
            return True
        if now_s - seen.at_s >= self._dead_after_s:
            return False
        return seen.moved or self._is_fresh(instance)

    def _is_fresh(self, instance: Instance) -> bool:
        return (self._clock.now() - instance.beat_at).total_seconds() < self._dead_after_s


def _is_running(instance: Instance) -> bool:
    """Tell whether a process of this machine lives, and is not another one by now."""
    return bool(instance.pid_started) and _started(instance.pid) == instance.pid_started


def _boot_id() -> str:
    """Return what a process id is relative to: the machine's boot and the process namespace."""
    return f"{BOOT_ID.read_text(encoding='ascii').strip()} {PID_NAMESPACE.readlink()}"


def _started(pid: int) -> str:
    """Return the start time of a process from ``/proc/PID/stat`` (proc(5), field 22), "" when none lives."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in DEAD_STATES else fields[19]
