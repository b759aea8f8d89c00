"""Where an installation's groups are made, and what bounds in them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from devbench_core.values import frozen
from devbench_runtime_bubblewrap.cgroups import limits
from devbench_runtime_bubblewrap.cgroups.mounts import WANTED, Hierarchy, find_hierarchies
from devbench_runtime_bubblewrap.cgroups.room import leave_room

FOLDER = "devbench"


@frozen
class Place:
    """A group of ours under which containers get theirs, with the controllers that bound there."""

    version: int
    group: Path
    controllers: frozenset[str]


def hierarchies() -> tuple[Hierarchy, ...]:
    """Return the hierarchies as this process sees them; blocking."""
    mountinfo = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    memberships = Path("/proc/self/cgroup").read_text(encoding="utf-8")
    return find_hierarchies(mountinfo, memberships)


def open_places(installation: str) -> tuple[Place, ...]:
    """Make the installation's group in each hierarchy where it bounds something, and nowhere else; blocking."""
    found = (_place(h.version, h.controllers, h.base, installation) for h in hierarchies() if h.base)
    return tuple(place for place in found if place is not None)


def close_groups(top: Path) -> None:
    """Remove those groups beneath ``top`` in which nothing is, and then itself; blocking."""
    for group in [each for each in top.iterdir() if each.is_dir()] if top.is_dir() else []:
        with suppress(OSError):
            group.rmdir()
    with suppress(OSError):
        top.rmdir()


def _place(version: int, controllers: frozenset[str], base: Path, installation: str) -> Place | None:
    top = base / FOLDER
    group = top / installation
    try:
        if version == 2 and not _offered(base):
            return None
        top.mkdir(exist_ok=True)
        group.mkdir(exist_ok=True)
        if version == 2:
            controllers = _enabled(base, top, group)
    except OSError:
        controllers = frozenset()
    bounding = _bounding(version, controllers, group)
    if not bounding:
        close_groups(top)
        return None
    return Place(version=version, group=group, controllers=bounding)


def _offered(group: Path) -> frozenset[str]:
    """Return the wanted controllers that version 2 lets a group have; beside version 1 there may be none."""
    return frozenset((group / "cgroup.controllers").read_text(encoding="ascii").split()) & set(WANTED)


def _enabled(base: Path, top: Path, group: Path) -> frozenset[str]:
    """Let the groups beneath have each wanted controller; one that the kernel refuses is simply not there."""
    if not leave_room(base, top):
        return frozenset()
    for parent in (base, top, group):
        for controller in sorted(_offered(parent)):
            with suppress(OSError):
                (parent / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
    return frozenset((group / "cgroup.subtree_control").read_text(encoding="ascii").split())


def _bounding(version: int, controllers: frozenset[str], group: Path) -> frozenset[str]:
    """Return the controllers that really bound in groups beneath ``group``."""
    files = {c: limits.FILE[version, c] for c in controllers if (version, c) in limits.FILE}
    bounding = {c for c, file in files.items() if os.access(group / file, os.W_OK)}
    counting = controllers & {"cpuacct"}
    return frozenset(bounding | counting)
