"""What this bubblewrap, as it is configured here and now, enforces."""

from __future__ import annotations

import os

from devbench_core.model.capabilities import Capabilities
from devbench_core.model.policy import Clause
from devbench_runtime_bubblewrap.cgroups.groups import ControlGroups
from devbench_runtime_bubblewrap.program import Program
from devbench_runtime_bubblewrap.seccomp import supports

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ALWAYS = frozenset(
    {
        Clause.READ_ONLY_ROOT,
        Clause.NO_CAPABILITIES,
        Clause.NO_NEW_PRIVILEGES,
        Clause.NETWORK_NONE,
        Clause.NON_ROOT,
    }
)
LIMITS = (Clause.MEMORY, Clause.CPU, Clause.PIDS)


def architecture() -> str:
    """Return this machine's architecture as images name it."""
    machine = os.uname().machine
    return ARCHITECTURES.get(machine, machine)


def capabilities(program: Program, groups: ControlGroups, *, cgroups: bool) -> Capabilities:
    """Return what is enforced, and why something is not."""
    enforces = set(ALWAYS | groups.enforced())
    reasons = {
        Clause.EXEC_USERS: "exec_users: a container of bubblewrap has one user; the runtime docker has more"
    }
    if supports(os.uname().machine):
        enforces.add(Clause.SECCOMP)
    else:
        reasons[Clause.SECCOMP] = f"there is no system call filter for {os.uname().machine} yet"
    if "size" in program.options:
        enforces.add(Clause.TMPFS_SIZE)
    else:
        reasons[Clause.TMPFS_SIZE] = f"bubblewrap {program.version_text} cannot; 0.7 can"
    why = _no_groups(cgroups=cgroups)
    reasons |= {clause: f"{clause}: {why}" for clause in LIMITS if clause not in enforces}
    return Capabilities(
        enforces=frozenset(enforces), reasons=reasons, images=False, architectures=(architecture(),)
    )


def _no_groups(*, cgroups: bool) -> str:
    if not cgroups:
        return "control groups are switched off (plugin.bubblewrap.cgroups)"
    if os.geteuid() == 0:
        return "this machine mounts no writable control group with this controller"
    return (
        f"no control group with this controller belongs to user {os.geteuid()}; run devbench as root, or in a "
        "delegated group: systemd-run --user --scope -p Delegate=yes devbench …"
    )


NOTES = (
    "the workspace has no quota of its own: it can fill the disk that the state folder is on",
    "network 'engine' is this machine's own network",
    "a writable root file system is refused",
)
"""What an operator should know beside the clauses."""
