"""Ending an engine of our own and everything that it left: processes, mounts, control groups."""

import os
import signal
import time
from pathlib import Path

from engines.privilege import run_as_root

STOP_TIMEOUT_S = 40
COMMAND_TIMEOUT_S = 60
POLL_INTERVAL_S = 0.05


def processes(folder: str, programs: tuple[str, ...]) -> list[int]:
    """Return the processes of these programs (their names' beginnings) that name a folder on their command line.

    Podman's holder of an ordinary user's namespaces names nothing, but works in that folder.
    """
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if not Path(words[0]).name.startswith(programs):
            continue
        if any(folder + "/" in word for word in words) or _works_in(entry, folder):
            found.append(int(entry.name))
    return found


def _works_in(process: Path, folder: str) -> bool:
    try:
        return str((process / "cwd").readlink()) == folder
    except OSError:
        return False


def end_processes(folder: str, programs: tuple[str, ...]) -> None:
    """End these processes, kindly at first."""
    for number, patience_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, COMMAND_TIMEOUT_S)):
        targets = processes(folder, programs)
        if not targets:
            return
        kill = f"kill -{int(number)} {' '.join(map(str, targets))}"  # the shell's own: a small system has no other
        run_as_root(["sh", "-c", kill], timeout_s=COMMAND_TIMEOUT_S)
        deadline = time.monotonic() + patience_s
        while processes(folder, programs) and time.monotonic() < deadline:
            _reap()
            time.sleep(POLL_INTERVAL_S)


def unmount_below(folder: str) -> None:
    """Unmount everything beneath a folder."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    points = [line.split()[4] for line in lines]
    for point in sorted((each for each in points if each.startswith(folder + "/")), reverse=True):
        run_as_root(["umount", "-l", point], timeout_s=COMMAND_TIMEOUT_S)


def remove_control_groups(name: str) -> None:
    """Remove the empty control groups of a name, of every hierarchy."""
    root = Path("/sys/fs/cgroup")
    tops = [
        root / name.lstrip("/"),
        *(entry / name.lstrip("/") for entry in root.iterdir() if entry.is_dir()),
    ]
    for top in tops:
        if top.is_dir():
            run_as_root(["find", str(top), "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], timeout_s=30)


def _reap() -> None:
    """Collect the daemon's ending when it is our own child: a zombie keeps its process id."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return
