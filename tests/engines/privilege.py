"""Doing what needs root, as root or through sudo without a password."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

SUDO_PROBE_TIMEOUT_S = 10
GIVE_BACK_TIMEOUT_S = 60
_SOMEBODYS_OWN = ("HOME", "LOGNAME", "MAIL", "PATH", "SHELL", "USER")


class PrivilegeMissingError(RuntimeError):
    """Something needs root, and there is neither root nor a sudo that asks nothing."""


def can_be_root() -> bool:
    """Tell whether ``as_root`` would work."""
    if os.geteuid() == 0:
        return True
    sudo = shutil.which("sudo")
    if sudo is None:
        return False
    probe = subprocess.run(
        [sudo, "-n", "true"], capture_output=True, check=False, timeout=SUDO_PROBE_TIMEOUT_S
    )
    return probe.returncode == 0


def as_root(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the command that runs ``argv`` as root with some variables set.

    Raises:
        PrivilegeMissingError: neither root nor sudo without a password; the message holds the command to run.
    """
    assignments = [f"{name}={value}" for name, value in (environment or {}).items()]
    command = ["env", *assignments, *argv] if assignments else list(argv)
    if os.geteuid() == 0:
        return command
    if not can_be_root():
        raise PrivilegeMissingError(f"this needs root; run: sudo {shlex.join(command)}")
    return ["sudo", "-n", *command]


def run_as_root(
    argv: Sequence[str], *, timeout_s: float, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command as root, with its output captured, and return how it ended."""
    return subprocess.run(
        as_root(argv, environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


def become_root(argv: Sequence[str]) -> None:
    """Start over as root with ``argv``, where sudo allows it; some tests need to be root.

    The environment stays, but for what is somebody's own. Without sudo nothing happens.
    """
    if os.geteuid() == 0 or not can_be_root():
        return
    names = [name for name in os.environ if name.isidentifier() and not name.startswith(("SUDO_", "XDG_"))]
    kept = ",".join(name for name in names if name not in _SOMEBODYS_OWN)
    path = f"PATH={os.environ.get('PATH', os.defpath)}"
    os.execvp("sudo", ["sudo", "-n", "-H", f"--preserve-env={kept}", "env", path, *argv])  # noqa: S606  # on purpose


def give_back(folder: Path) -> None:
    """Give the files that root made in somebody's folder to that somebody, if it was they who became root."""
    user = os.environ.get("SUDO_UID")
    if os.geteuid() != 0 or user is None or folder.stat().st_uid != int(user):
        return
    owner = f"{user}:{os.environ['SUDO_GID']}"
    argv = [
        "find",
        str(folder),
        "-xdev",
        "-user",
        "0",
        "-exec",
        "chown",
        "--no-dereference",
        owner,
        "{}",
        "+",
    ]
    subprocess.run(argv, check=False, timeout=GIVE_BACK_TIMEOUT_S)
