"""Which hierarchies of control groups there are, and where in them we may make groups."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from devbench_core.values import frozen

WANTED = ("memory", "cpu", "pids", "cpuacct")
OWN_FILES = {1: ("cgroup.procs",), 2: ("cgroup.procs", "cgroup.subtree_control")}


@frozen
class Hierarchy:
    """One mounted hierarchy.

    Attributes:
        version: 1 or 2.
        mount: Where it is mounted.
        controllers: Which of `WANTED` it may have (version 2: all of them may be there, ``base`` tells).
        own: The group that we are in, None when it cannot be seen.
        base: The highest group that we may write, None for none.
    """

    version: int
    mount: Path
    controllers: frozenset[str]
    own: Path | None = None
    base: Path | None = None


def find_hierarchies(mountinfo: str, memberships: str) -> tuple[Hierarchy, ...]:
    """Return the hierarchies that hold wanted controllers; blocking.

    Args:
        mountinfo: The text of ``/proc/self/mountinfo``.
        memberships: The text of ``/proc/self/cgroup``.
    """
    ours = dict(_memberships(memberships))
    found: dict[Path, Hierarchy] = {}
    for root, mount, version, controllers in _mounts(mountinfo):
        member = next((ours[key] for key in (*sorted(controllers), "") if key in ours), None)
        line = [] if member is None else _line(root, mount, member)
        found[mount] = Hierarchy(
            version=version,
            mount=mount,
            controllers=controllers,
            own=line[-1] if line else None,
            base=next((group for group in line if _ours(group, version)), None),
        )
    return tuple(found.values())


def _mounts(mountinfo: str) -> Iterator[tuple[PurePosixPath, Path, int, frozenset[str]]]:
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        place = before.split()
        if kind == "cgroup2":
            yield PurePosixPath(place[3]), Path(place[4]), 2, frozenset()
        elif kind == "cgroup":
            controllers = frozenset(options.split()[-1].split(",")) & set(WANTED)
            if controllers:
                yield PurePosixPath(place[3]), Path(place[4]), 1, controllers


def _memberships(text: str) -> Iterator[tuple[str, PurePosixPath]]:
    """Yield each controller with our group in its hierarchy; version 2 goes by ""."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, PurePosixPath(path)


def _line(root: PurePosixPath, mount: Path, member: PurePosixPath) -> list[Path]:
    """Return the groups from the mount down to our own; none when our own lies outside of what is mounted."""
    if not member.is_relative_to(root) or ".." in member.parts:
        return [] if ".." in member.parts else [mount]
    inside = member.relative_to(root)
    return [*(mount / parent for parent in reversed(inside.parents)), mount / inside]


def _ours(group: Path, version: int) -> bool:
    needed = [group, *(group / name for name in OWN_FILES[version])]
    return all(os.access(path, os.W_OK) for path in needed)
