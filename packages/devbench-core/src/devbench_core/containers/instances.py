"""Hosts: who is responsible for what, and whether it still lives."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import attrs

from devbench_core.clock import Clock
from devbench_core.contracts.store import Put, Remove, Store
from devbench_core.records import from_json, to_json

KIND = "instance"
DEAD_STATES = frozenset("ZX")
"""Of a process in ``/proc/PID/stat``: it has ended, and its parent has not asked how."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")


@attrs.frozen(kw_only=True)
class Instance:
    """A host process.

    Attributes:
        id: Opaque, ``i_…``.
        boot_id: The machine's present life and the process namespace, within which a process id means something.
        pid: Its process id.
        pid_started: The kernel's start time of that process, which tells a reused pid.
        serving: Whether it is a long-lived host that adopts what dead hosts left.
        beat_at: When it last said that it lives, UTC.
    """

    id: str
    boot_id: str
    pid: int
    pid_started: str
    serving: bool
    beat_at: datetime


def this_process(instance_id: str, *, serving: bool, now: datetime) -> Instance:
    """Describe the running process."""
    pid = os.getpid()
    return Instance(
        id=instance_id, boot_id=_boot_id(), pid=pid, pid_started=_started(pid), serving=serving, beat_at=now
    )


class Instances:
    """Heartbeats in the store."""

    def __init__(self, store: Store, clock: Clock, dead_after_s: float) -> None:
        self._store = store
        self._clock = clock
        self._dead_after = timedelta(seconds=dead_after_s)

    async def beat(self, instance: Instance) -> None:
        """Say that a host lives."""
        data = to_json(attrs.evolve(instance, beat_at=self._clock.now()))
        await self._store.apply(Put(kind=KIND, key=instance.id, data=data))

    async def leave(self, instance_id: str) -> None:
        """Say that a host ended cleanly."""
        await self._store.apply(Remove(kind=KIND, key=instance_id))

    async def alive(self, instance_id: str) -> bool:
        """Tell whether a host lives: by its process on this machine, else by its heartbeat."""
        record = await self._store.get(KIND, instance_id) if instance_id else None
        if record is None:
            return False
        instance = from_json(Instance, record.data)
        if instance.boot_id == _boot_id():
            return bool(instance.pid_started) and _started(instance.pid) == instance.pid_started
        return self._clock.now() - instance.beat_at < self._dead_after

    async def sweep(self, batch: int) -> None:
        """Forget hosts that are dead for an hour."""
        page = await self._store.list(KIND, limit=batch)
        for record in page.records:
            beat = from_json(Instance, record.data).beat_at
            if self._clock.now() - beat > timedelta(hours=1) and not await self.alive(record.key):
                await self._store.apply(Remove(kind=KIND, key=record.key))


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
