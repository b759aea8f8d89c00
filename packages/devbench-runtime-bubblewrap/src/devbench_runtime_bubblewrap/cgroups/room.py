"""Version 2's rule that a group has processes or lets groups beneath it have controllers, but not both.

A service, a scope or a container of another engine starts with its processes in the very group that was delegated to
it. They are put into a group of their own beneath it, where every bound of the delegated group still holds for them.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

HOSTS = ".hosts"
"""The group of the processes that were in the delegated one: devbench itself, and what it was started with."""

ROUNDS_MAX = 10
"""How often to look again: a process may have started another one meanwhile."""

UNSEEN = 0
"""How the kernel shows a process outside of our PID namespace; written back, it would mean ourselves."""


def leave_room(base: Path, top: Path) -> bool:
    """Move what runs in ``base`` itself into a group beneath ``top``; blocking.

    It is done before a controller is let through: the kernel would let some through, and the groups beneath would then
    be good for threads only.

    Returns:
        Whether ``base`` may let controllers through now.
    """
    if not (base / "cgroup.type").exists():
        return True  # the machine's own root, to which the rule does not apply
    for _ in range(ROUNDS_MAX):
        inside = _processes(base)
        if not inside:
            return True
        if UNSEEN in inside:
            return False
        with suppress(OSError):  # another host that closes may just have removed it
            (top / HOSTS).mkdir(exist_ok=True)
        for pid in inside:
            with suppress(OSError):  # it has ended, or may not be moved; the next look tells
                (top / HOSTS / "cgroup.procs").write_text(str(pid), encoding="ascii")
    return not _processes(base)


def _processes(group: Path) -> set[int]:
    return {int(line) for line in (group / "cgroup.procs").read_text(encoding="ascii").split()}
