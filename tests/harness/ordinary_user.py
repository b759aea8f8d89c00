"""Running a program as an ordinary user from a test suite that runs as root."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

UID = 65000
GID = 65000
_OTHERS_MAY_PASS = 0o001


def ordinary_ids() -> tuple[int, int]:
    """Return the user and group of the ordinary user: our own, unless we are root."""
    return (UID, GID) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def as_ordinary_user(argv: Sequence[str], *, reachable: Sequence[Path] = ()) -> list[str]:
    """Return the command that runs ``argv`` as the ordinary user, without any capability.

    What lies in folders closed to others (an interpreter in root's home) is made visible at its own path, read-only,
    in a mount namespace of that process only: nothing on this machine changes.

    Args:
        argv: the program and its arguments.
        reachable: more folders that it must be able to read, beside the interpreter, the environment and this tree.
    """
    if os.geteuid() != 0:
        return list(argv)
    repository = Path(__file__).resolve().parents[2]
    wanted = {
        Path(sys.base_prefix).resolve(),
        Path(sys.prefix).resolve(),
        repository,
        *map(Path.resolve, reachable),
    }
    script = "; ".join(["set -e", *_uncover(sorted(wanted)), f'exec {shlex.join(_demote())} "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *argv]


def _demote() -> list[str]:
    return [
        "setpriv", "--reuid", str(UID), "--regid", str(GID), "--clear-groups",
        "--bounding-set", "-all", "--inh-caps", "-all", "env", f"HOME=/tmp/devbench-{UID}", f"USER=user{UID}",
    ]  # fmt: skip


def _uncover(folders: Sequence[Path]) -> list[str]:
    """Return shell steps that put a thin, passable folder over each closed one, with the wanted folders in it."""
    closed: dict[Path, list[Path]] = {}
    for folder in folders:
        blocker = next((each for each in reversed(folder.parents) if not _passable(each)), None)
        if blocker is not None:
            closed.setdefault(blocker, []).append(folder)
    steps: list[str] = []
    for blocker, inside in closed.items():
        aside = [f"/run/devbench-aside-{index}" for index in range(len(inside))]
        steps.append("mount -t tmpfs -o mode=0755 devbench-run /run")
        for source, place in zip(inside, aside, strict=True):
            steps += [f"mkdir -p {place}", f"mount --rbind {shlex.quote(str(source))} {place}"]
        steps.append(f"mount -t tmpfs -o mode=0755 devbench-over {shlex.quote(str(blocker))}")
        for target, place in zip(inside, aside, strict=True):
            quoted = shlex.quote(str(target))
            steps += [f"mkdir -p {quoted}", f"mount --rbind {place} {quoted}"]
        steps.append("umount -l /run")
    return steps


def _passable(folder: Path) -> bool:
    return bool(folder.stat().st_mode & _OTHERS_MAY_PASS)
