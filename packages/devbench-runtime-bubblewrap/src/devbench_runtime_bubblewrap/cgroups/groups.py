"""One group a container in each hierarchy that we may write."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from devbench_core.model.policy import Clause, Policy
from devbench_runtime_bubblewrap.cgroups import limits
from devbench_runtime_bubblewrap.cgroups.places import Place, close_groups, hierarchies, open_places

if TYPE_CHECKING:
    from devbench_core.contracts.powers import Stats

BUSY_POLL_S = 0.002
REVIVALS_MAX = 5


class ControlGroups:
    """The groups of one installation. All methods block for moments: they are kernel files."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self.places = places

    def of(self, installation: str) -> ControlGroups:
        """Return the groups of another installation, to clean up after it."""
        moved = (attrs.evolve(place, group=place.group.with_name(installation)) for place in self.places)
        return ControlGroups(tuple(moved))

    def enforced(self) -> frozenset[Clause]:
        """Return the clauses that can be kept."""
        there = {controller for place in self.places for controller in place.controllers}
        return frozenset(clause for clause, name in limits.CONTROLLER.items() if name in there)

    def make(self, name: str, policy: Policy) -> None:
        """Make a container's groups with its limits.

        Raises:
            OSError: The kernel refused a limit.
        """
        for place in self.places:
            group = place.group / name
            _make_group(group)
            for controller in sorted(place.controllers):
                for file, value in limits.settings(place.version, controller, policy):
                    limits.write(group, file, value)

    def warm(self) -> None:
        """Make the kernel ready to move a process, by moving this one to where it is.

        The first move after a while waits for a grace period of the kernel's (5-20 ms); paid here, beside other work,
        it costs the container's start nothing. Failing does not matter.
        """
        if self.places:
            ours = next((h.own for h in hierarchies() if self.places[0].group.is_relative_to(h.mount)), None)
            if ours is not None:
                with suppress(OSError):
                    (ours / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def add(self, name: str, pid: int) -> None:
        """Put a process into a container's groups."""
        for place in self.places:
            (place.group / name / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def remove(self, name: str, *, wait_s: float) -> None:
        """Remove a container's groups, waiting while the kernel still takes processes out of them.

        Raises:
            OSError: Something lives in one of them.
        """
        deadline = time.monotonic() + wait_s
        for place in self.places:
            _remove_group(place.group / name, deadline)

    def names(self) -> set[str]:
        """Return the containers that have a group."""
        there = (place.group for place in self.places if place.group.is_dir())
        return {entry.name for group in there for entry in group.iterdir() if entry.is_dir()}

    def out_of_memory(self, name: str) -> bool:
        """Tell whether the kernel has ever ended a process of a container for its memory."""
        return any(self._oom_kills(place, name) for place in self.places if "memory" in place.controllers)

    def _oom_kills(self, place: Place, name: str) -> int:
        file = "memory.oom_control" if place.version == 1 else "memory.events"
        return limits.read_counter(place.group / name / file, "oom_kill")

    def stats(self, name: str) -> Stats:
        """Return what a container uses, as far as the kernel counts it."""
        numbers = {key: value for place in self.places for key, value in _usage(place, place.group / name)}
        cpu_s = numbers.get("cpu_ns", 0) / 1e9 if "cpu_ns" in numbers else None
        from devbench_core.contracts.powers import Stats

        return Stats(memory_bytes=numbers.get("memory"), cpu_s=cpu_s, pids=numbers.get("pids"))

    def close(self) -> None:
        """Remove our own groups where no container is left, and empty ones that dead hosts left beside them.

        Another host that lives makes its group again when it needs one.
        """
        for place in self.places:
            close_groups(place.group.parent)


def _make_group(group: Path) -> None:
    """Make a container's group; another host of the installation may just have given back what is above it."""
    for _ in range(REVIVALS_MAX):
        try:
            group.mkdir()
        except FileExistsError:
            return
        except FileNotFoundError:
            open_groups(group.parent.name)
        else:
            return
    group.mkdir(exist_ok=True)


def _usage(place: Place, group: Path) -> Iterator[tuple[str, int]]:
    files = (
        {"memory": "memory.usage_in_bytes", "pids": "pids.current", "cpu_ns": "cpuacct.usage"}
        if place.version == 1
        else {"memory": "memory.current", "pids": "pids.current"}
    )
    for key, file in files.items():
        with suppress(OSError, ValueError):
            yield key, int((group / file).read_text(encoding="ascii"))
    if place.version == 2 and "cpu" in place.controllers:
        yield "cpu_ns", limits.read_counter(group / "cpu.stat", "usage_usec") * 1000


def _remove_group(group: Path, deadline: float) -> None:
    while True:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(BUSY_POLL_S)
        else:
            return


def open_groups(installation: str) -> ControlGroups:
    """Find where groups can be made and make the installation's own; blocking.

    On version 2 this may move the processes of a delegated group, ourselves among them, into one beneath it.
    """
    return ControlGroups(open_places(installation))
