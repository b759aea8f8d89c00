"""Installing the distribution's packages that are absent."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engines.privilege import PrivilegeMissingError, as_root, can_be_root, run_as_root
from engines.progress import say

APT_TIMEOUT_S = 900
LOCK_WAIT_S = 120
ADMIN_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_FUZZER = "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a"
_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = "#!/bin/sh\nexit 101\n"


@dataclass(frozen=True, kw_only=True)
class Need:
    """A program, or a file (a pattern), that must be there, the package that brings it, and what it is for."""

    probe: str
    package: str
    why: str

    def met(self) -> bool:
        """Tell whether it is there."""
        if self.probe.startswith("/"):
            return any(Path("/").glob(self.probe.lstrip("/")))
        return find_program(self.probe) is not None


NEEDS = (
    Need(probe="dockerd", package="docker.io", why="the Docker engine"),
    Need(probe="iptables", package="iptables", why="Docker's networks"),
    Need(probe="ip", package="iproute2", why="the test engine's own bridge"),
    Need(probe="podman", package="podman", why="the Podman service"),
    Need(
        probe="runc", package="runc", why="Podman's containers; crun refuses control groups of both versions"
    ),
    Need(probe="newuidmap", package="uidmap", why="Podman as an ordinary user"),
    Need(probe="bwrap", package="bubblewrap", why="the bubblewrap runtime"),
    Need(probe="redis-server", package="redis-server", why="the lock on Redis"),
    Need(probe="haproxy", package="haproxy", why="several hosts behind one address"),
    Need(probe="systemd-analyze", package="systemd", why="looking at the unit for hosts"),
    Need(probe="busybox", package="busybox-static", why="the smallest test image"),
    Need(probe="debootstrap", package="debootstrap", why="the Debian test image"),
    Need(probe="gcc", package="gcc", why="building the agent"),
    Need(probe="make", package="make", why="building the agent's sanitizer and fuzzing builds"),
    Need(probe="musl-gcc", package="musl-tools", why="linking the agent small and static"),
    Need(probe="/usr/include/stdio.h", package="libc6-dev", why="building the agent"),
    Need(probe="clang", package="clang", why="fuzzing the agent"),
    Need(probe=_FUZZER, package="libclang-rt-dev", why="fuzzing the agent"),
    Need(probe="/usr/lib/postgresql/*/bin/postgres", package="postgresql", why="the store on PostgreSQL"),
    Need(probe="openssl", package="openssl", why="certificates of the TLS tests"),
    Need(probe="setpriv", package="util-linux", why="running tests as an ordinary user"),
)


def find_program(name: str) -> str | None:
    """Return where a program is, looking into the administrator's folders too."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *ADMIN_FOLDERS])
    return shutil.which(name, path=path)


def install_missing(needs: tuple[Need, ...] = NEEDS) -> None:
    """Install what is absent, without starting any service that a package brings.

    Raises:
        PrivilegeMissingError: something is absent and this user cannot install it.
        RuntimeError: apt-get failed, or did not bring what was needed.
    """
    absent = [need for need in needs if not need.met()]
    if not absent:
        say("every package that the tests need is installed")
        return
    packages = sorted({need.package for need in absent})
    for need in absent:
        say(f"absent: {need.probe} ({need.why}), from the package {need.package}")
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    if not can_be_root():
        raise PrivilegeMissingError(f"some packages are missing; run: sudo {shlex.join(command)}")
    with _services_stay_down():
        apt(["apt-get", "update", "-q"])
        apt(command)
    if lacking := [need.probe for need in needs if not need.met()]:
        raise RuntimeError(f"installed {', '.join(packages)}, and still there is no {', '.join(lacking)}")


def apt(command: list[str]) -> None:
    """Run a command of apt-get as root.

    Raises:
        PrivilegeMissingError: this user cannot be root.
        RuntimeError: it failed; the message has the end of what it said.
    """
    say(f"running {shlex.join(command)}")
    argv = [command[0], "-o", f"DPkg::Lock::Timeout={LOCK_WAIT_S}", "-o", "Acquire::Retries=3", *command[1:]]
    done = subprocess.run(
        as_root(argv, {"DEBIAN_FRONTEND": "noninteractive"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=APT_TIMEOUT_S,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}:\n{tail}")


@contextmanager
def _services_stay_down() -> Generator[None]:
    """Keep packages from starting daemons: the tests start their own, and leave nothing running."""
    if _POLICY.exists():
        yield
        return
    write = f"printf %s {shlex.quote(_POLICY_TEXT)} > {_POLICY} && chmod 0755 {_POLICY}"
    run_as_root(["sh", "-c", write], timeout_s=10)
    try:
        yield
    finally:
        run_as_root(["rm", "-f", str(_POLICY)], timeout_s=10)
