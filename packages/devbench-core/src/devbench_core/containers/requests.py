"""What callers ask of containers."""

from __future__ import annotations

import attrs

from devbench_core.model.policy import Network
from devbench_core.values import frozen


@frozen
class PolicyRequest:
    """What a caller wants different from the operator's default policy; None keeps the default.

    The fields mean the same as in `devbench_core.model.policy.Policy`.
    """

    read_only_root: bool | None = None
    capabilities: tuple[str, ...] | None = None
    no_new_privileges: bool | None = None
    seccomp: bool | None = None
    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None
    network: Network | None = None
    user: str | None = None
    tmpfs_bytes: int | None = None
    exec_users: tuple[str, ...] | None = None


@frozen
class SpawnRequest:
    """A wanted container.

    Attributes:
        image: A reference or alias; "" is the configured default, or the runtime's own.
        alias: A name for it, unique among the tenant's living containers: 1-63 of ``a-z 0-9 . _ -``.
        env: Variables for all its commands.
        labels: Free pairs to filter by.
        policy: Differences from the default policy.
        persistent: Whether it outlives a clean shutdown of the host.
        ttl_s: Kill it this long after its creation.
        idle_timeout_s: Kill it after this long without any call.
        run_entrypoint: Run the image's own entry point as the first command.
        idempotency_key: The same key from the same caller gives the same container for a day.
    """

    image: str = ""
    alias: str | None = None
    env: dict[str, str] = attrs.field(factory=dict[str, str])
    labels: dict[str, str] = attrs.field(factory=dict[str, str])
    policy: PolicyRequest = PolicyRequest()
    persistent: bool = False
    ttl_s: float | None = None
    idle_timeout_s: float | None = None
    run_entrypoint: bool = False
    idempotency_key: str | None = None
