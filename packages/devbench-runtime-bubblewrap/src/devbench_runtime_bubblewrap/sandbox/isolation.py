"""What no container goes without: namespaces, user, capabilities, filter, devices, bounded scratch space."""

from __future__ import annotations

from pathlib import Path

from devbench_core.model.policy import MEBIBYTE, Network, Policy
from devbench_runtime_bubblewrap.program import Program
from devbench_runtime_bubblewrap.sandbox.arguments import Arguments
from devbench_runtime_bubblewrap.sandbox.etc_files import HOSTNAME

SHARED_MEMORY_BYTES = 64 * MEBIBYTE
MASKED = ("keys", "latency_stats", "sched_debug")
"""Files of /proc that everybody may read and that tell of the whole machine."""


def add_isolation(arguments: Arguments, policy: Policy, ids: tuple[int, int]) -> None:
    """Add namespaces, user and capabilities."""
    arguments.add("--unshare-all", "--unshare-user", "--as-pid-1", "--new-session", "--hostname", HOSTNAME)
    if policy.network is Network.ENGINE:
        arguments.add("--share-net")
    arguments.add("--uid", str(ids[0]), "--gid", str(ids[1]), "--cap-drop", "ALL")
    for name in policy.capabilities:
        arguments.add("--cap-add", f"CAP_{name.upper()}")


def add_filters(arguments: Arguments, policy: Policy, program: Program, filter_program: bytes | None) -> None:
    """Add the system call filter, and forbid further user namespaces where bwrap itself can."""
    if policy.seccomp and filter_program is not None:
        arguments.add("--seccomp", arguments.content(filter_program))
    if "disable-userns" in program.options and not program.setuid and not policy.capabilities:
        arguments.add("--disable-userns")


def add_system_mounts(arguments: Arguments, policy: Policy, program: Program) -> None:
    """Add /proc, /dev and the scratch spaces, each bounded where bwrap can."""
    arguments.add("--proc", "/proc")
    for name in MASKED:
        if Path("/proc", name).exists():
            arguments.add("--ro-bind", "/dev/null", f"/proc/{name}")
    arguments.add("--dev", "/dev", "--remount-ro", "/dev")
    _scratch(arguments, "/dev/shm", min(policy.tmpfs_bytes, SHARED_MEMORY_BYTES), program)  # noqa: S108
    _scratch(arguments, "/tmp", policy.tmpfs_bytes, program)  # noqa: S108  (in the container)


def _scratch(arguments: Arguments, path: str, size_bytes: int, program: Program) -> None:
    arguments.add("--perms", "1777")
    if "size" in program.options:
        arguments.add("--size", str(size_bytes))
    arguments.add("--tmpfs", path)


def add_environment(arguments: Arguments, env: dict[str, str]) -> None:
    """Add the container's environment, and nothing of ours."""
    arguments.add("--clearenv")
    for name, value in env.items():
        arguments.add("--setenv", name, value)
