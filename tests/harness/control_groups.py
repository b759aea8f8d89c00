"""Control groups that tests make as root: some belong to an ordinary user, as systemd delegates them, some do not."""

import os
import shlex
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.ordinary_user import ordinary_ids

DELEGATED_VARIABLE = "DEVBENCH_TEST_DELEGATED"
"""Set for tests that run as an ordinary user within groups that are theirs."""

CONTROLLERS = ("memory", "cpu", "pids")
INNER = "service"
_WANTED = frozenset({*CONTROLLERS, "cpuacct"})
_GIVEN = ("cgroup.procs", "cgroup.threads", "cgroup.subtree_control")
_REMOVE_TIMEOUT_S = 10.0
_POLL_S = 0.01


def limits_expected() -> bool:
    """Tell whether this run must be able to bound memory, processors and processes."""
    return os.geteuid() == 0 or DELEGATED_VARIABLE in os.environ


@contextmanager
def made_groups(
    name: str, *, delegated: bool, controllers: Sequence[str] = CONTROLLERS
) -> Generator[tuple[Path, ...]]:
    """Make a group in each hierarchy, beneath one that stays root's; both go afterwards, with all beneath them.

    Args:
        name: what the upper one is called.
        delegated: whether it belongs to the ordinary user; what it may use is still root's to say.
        controllers: version 2: what may be used in it.
    """
    mounts = _hierarchies()
    assert mounts, "this kernel has no control groups, or they are not mounted"
    groups = tuple(mount / name / INNER for mount in mounts)
    try:
        for group in groups:
            _make(group, controllers)
            if delegated:
                _give(group)
        yield groups
    finally:
        for mount in mounts:
            _remove(mount / name)


def placed(argv: Sequence[str], groups: Sequence[Path]) -> list[str]:
    """Return the command that root runs to have ``argv`` run within these groups."""
    files = " ".join(shlex.quote(str(group / "cgroup.procs")) for group in groups)
    return ["sh", "-ec", f'for procs in {files}; do echo $$ > "$procs"; done; exec "$@"', "sh", *argv]


def groups_called(name: str) -> list[Path]:
    """Return every group of that name, in every hierarchy and at every depth."""
    walks = (os.walk(mount) for mount, _ in _mounts())
    return [Path(folder) / name for walk in walks for folder, inner, _ in walk if name in inner]


def _hierarchies() -> list[Path]:
    """Return the mounts that bound something: version 1's with wanted controllers, or version 2's."""
    found = dict(_mounts())
    return [mount for mount, controllers in found.items() if controllers or _offered(mount)]


def _mounts() -> Generator[tuple[Path, frozenset[str] | None]]:
    """Yield each hierarchy of wanted controllers, with None for version 2, whose controllers a file tells."""
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        mount = Path(before.split()[4])
        if kind == "cgroup2":
            yield mount, None
        elif kind == "cgroup" and (wanted := _WANTED & set(options.split()[-1].split(","))):
            yield mount, frozenset(wanted)


def _offered(mount: Path) -> bool:
    listed = mount / "cgroup.controllers"
    return listed.exists() and bool(_WANTED & set(listed.read_text("ascii").split()))


def _make(group: Path, controllers: Sequence[str]) -> None:
    group.mkdir(parents=True)
    if (group / "cgroup.controllers").exists():
        for above in (group.parents[1], group.parent):
            (above / "cgroup.subtree_control").write_text(
                " ".join(f"+{each}" for each in controllers), "ascii"
            )


def _give(group: Path) -> None:
    for path in (group, *(group / name for name in _GIVEN)):
        if path.exists():
            os.chown(path, *ordinary_ids())


def _remove(group: Path) -> None:
    """Remove a group and all beneath it, as soon as the processes in it have ended."""
    deadline = time.monotonic() + _REMOVE_TIMEOUT_S
    for folder, _, _ in os.walk(group, topdown=False):
        while Path(folder).exists():
            try:
                Path(folder).rmdir()
            except OSError as error:
                if time.monotonic() > deadline:
                    left = (Path(folder) / "cgroup.procs").read_text("ascii").split()
                    raise RuntimeError(f"{folder} still holds the processes {left}") from error
                time.sleep(_POLL_S)
