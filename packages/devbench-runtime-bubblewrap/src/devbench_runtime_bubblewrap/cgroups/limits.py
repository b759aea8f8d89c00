"""What is written into a group, for each version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from devbench_core.model.policy import Clause, Policy

PERIOD_US = 100_000
QUOTA_LEAST_US = 1_000  # the kernel refuses less

CONTROLLER = {Clause.MEMORY: "memory", Clause.CPU: "cpu", Clause.PIDS: "pids"}
FILE = {
    (1, "memory"): "memory.limit_in_bytes",
    (1, "cpu"): "cpu.cfs_quota_us",
    (1, "pids"): "pids.max",
    (2, "memory"): "memory.max",
    (2, "cpu"): "cpu.max",
    (2, "pids"): "pids.max",
}
"""The file whose presence shows that a controller can bound here."""

Setting = tuple[str, str]


def settings(version: int, controller: str, policy: Policy) -> Iterator[Setting]:
    """Yield the files and their contents that make a policy hold, in the order in which they must be written."""
    if controller == "memory" and policy.memory_bytes is not None:
        yield from _memory(version, policy.memory_bytes)
    if controller == "pids" and policy.pids is not None:
        yield "pids.max", str(policy.pids)
    if controller == "cpu" and policy.cpus is not None:
        quota_us = max(QUOTA_LEAST_US, int(policy.cpus * PERIOD_US))
        if version == 1:
            yield "cpu.cfs_period_us", str(PERIOD_US)
            yield "cpu.cfs_quota_us", str(quota_us)
        else:
            yield "cpu.max", f"{quota_us} {PERIOD_US}"


def _memory(version: int, size_bytes: int) -> Iterator[Setting]:
    """Bound memory and forbid swap beyond it, where the kernel counts swap."""
    if version == 1:
        yield "memory.limit_in_bytes", str(size_bytes)
        yield "memory.memsw.limit_in_bytes", str(size_bytes)
    else:
        yield "memory.max", str(size_bytes)
        yield "memory.swap.max", "0"


OPTIONAL = frozenset({"memory.memsw.limit_in_bytes", "memory.swap.max"})
"""Files that are absent on kernels that do not count swap."""


def write(group: Path, name: str, value: str) -> None:
    """Write one setting; blocking."""
    path = group / name
    if name in OPTIONAL and not path.exists():
        return
    path.write_text(value, encoding="ascii")


def read_counter(path: Path, key: str) -> int:
    """Return a number from a file of ``key number`` lines, 0 when it is not there; blocking."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{key} ")), 0)
