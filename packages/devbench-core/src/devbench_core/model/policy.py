"""What a container may do: each clause is enforced by the runtime or refused by name, never weakened."""

from __future__ import annotations

from enum import StrEnum

from devbench_core.values import frozen

__all__ = ["EXEC_USERS_MAX", "FILE_ROOTS_MAX", "MEBIBYTE", "ON_REQUEST", "Clause", "Network", "Policy"]


class Clause(StrEnum):
    """One promise of a policy. A runtime's capabilities say which it enforces."""

    READ_ONLY_ROOT = "read_only_root"
    NO_CAPABILITIES = "no_capabilities"
    NO_NEW_PRIVILEGES = "no_new_privileges"
    SECCOMP = "seccomp"
    MEMORY = "memory"
    CPU = "cpu"
    PIDS = "pids"
    NETWORK_NONE = "network_none"
    NON_ROOT = "non_root"
    TMPFS_SIZE = "tmpfs_size"
    EXEC_USERS = "exec_users"


ON_REQUEST = frozenset({Clause.EXEC_USERS})
"""Clauses that give something instead of holding it back: a policy without them is the tighter one."""
FILE_ROOTS_MAX = 8
"""How many folders beside the workspace an operator can open to the files API at most."""
EXEC_USERS_MAX = 32
"""How many other users an operator can allow at most."""


class Network(StrEnum):
    """Which network a container sees."""

    NONE = "none"  # a loopback of its own and nothing else
    ENGINE = "engine"  # what the engine gives by default (a bridge; on bubblewrap the host's network)


MEBIBYTE = 1024 * 1024


@frozen
class Policy:
    """The wanted isolation. The defaults are the hardened ones; operators say how far a caller may loosen them.

    Attributes:
        read_only_root: Nothing but the workspace and ``/tmp`` can be written.
        capabilities: Linux capabilities kept, without the ``CAP_`` prefix; all others are dropped.
        no_new_privileges: No program can gain a privilege by being executed.
        seccomp: Whether the runtime's default system call filter is on.
        memory_bytes: Bound of the container's memory, None for none.
        cpus: Bound of processor time in cores, None for none.
        pids: Bound of the number of processes, None for none.
        network: Which network.
        user: Numeric ``uid`` or ``uid:gid`` that the agent and all commands run as; "" means the runtime's
            ordinary user (1000:1000 where the engine has users).
        tmpfs_bytes: Size of ``/tmp``.
        exec_users: Other users, each ``uid:gid``, that single commands may run as; no two have one uid, and none has
            that of ``user``.
        file_roots: Folders beside the workspace whose files can be reached by absolute paths. Only the operator names
            them; no clause, since the agent has the rights of ``user`` and no more.
    """

    read_only_root: bool = True
    capabilities: tuple[str, ...] = ()
    no_new_privileges: bool = True
    seccomp: bool = True
    memory_bytes: int | None = 512 * MEBIBYTE
    cpus: float | None = 1.0
    pids: int | None = 256
    network: Network = Network.NONE
    user: str = ""
    tmpfs_bytes: int = 64 * MEBIBYTE
    exec_users: tuple[str, ...] = ()
    file_roots: tuple[str, ...] = ()

    def clauses(self) -> frozenset[Clause]:
        """Return the promises that this policy makes and a runtime must keep."""
        wanted = {
            Clause.READ_ONLY_ROOT: self.read_only_root,
            Clause.NO_CAPABILITIES: not self.capabilities,
            Clause.NO_NEW_PRIVILEGES: self.no_new_privileges,
            Clause.SECCOMP: self.seccomp,
            Clause.MEMORY: self.memory_bytes is not None,
            Clause.CPU: self.cpus is not None,
            Clause.PIDS: self.pids is not None,
            Clause.NETWORK_NONE: self.network is Network.NONE,
            Clause.NON_ROOT: not self.runs_as_root,
            Clause.TMPFS_SIZE: True,
            Clause.EXEC_USERS: bool(self.exec_users),
        }
        return frozenset(clause for clause, on in wanted.items() if on)

    @property
    def runs_as_root(self) -> bool:
        """Whether commands run, or may run, as user 0 of the container."""
        return any(_is_root(user) for user in (self.user, *self.exec_users))


def _is_root(user: str) -> bool:
    uid = user.partition(":")[0]
    return uid == "root" or (uid.isdecimal() and int(uid) == 0)
