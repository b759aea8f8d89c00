"""What is asked of Podman for one container: the policy, clause by clause, in its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devbench_core.contracts.runtime import AGENT_FOLDER, SOCKET_FOLDER, CreateRequest, guest_folder
from devbench_core.engines.names import (
    LABEL_AGENT,
    LABEL_MORE_VOLUMES,
    LABEL_OWNER,
    LABEL_ROLE,
    LABEL_WORKSPACE,
    ROLE_CONTAINER,
    image_volume_name,
)
from devbench_core.engines.users import User
from devbench_core.model.container import WORKSPACE
from devbench_core.model.policy import Network, Policy
from devbench_core.values import frozen

CPU_PERIOD_US = 100_000
SOCKET_TMPFS_BYTES = 64 * 1024
PAGE_BYTES = 4096
SIGTERM = 15
COMMON = ("rw", "nosuid", "nodev", "notmpcopyup")
GUEST_TMPFS: Mapping[str, str] = {
    "type": "tmpfs",
    "device": "tmpfs",
    # Blocks, because Podman takes `size` for a quota of the disk.
    "o": f"mode=0700,nr_blocks={SOCKET_TMPFS_BYTES // PAGE_BYTES},nosuid,nodev,noexec",
}


@frozen
class Made:
    """What was made for a container before it: its name, the agent's volume, its own volumes, its users.

    The first of the guests' folders is the volume ``image_volume_name(workspace, 0)``, and so on.
    """

    name: str
    agent_volume: str
    workspace: str
    user: User
    guests: tuple[User, ...]


def container_spec(request: CreateRequest, made: Made, limits: Mapping[str, int]) -> dict[str, Any]:
    """Return the body of the create call.

    Args:
        request: What is wanted.
        made: What was made for it.
        limits: Resource limits of processes (``nofile``, ``nproc``); empty for Podman's own.
    """
    first, *rest = request.agent.argv(stdio=True)
    return {
        "name": made.name,
        "image": request.image.id,
        "entrypoint": [first],
        "command": rest,
        "env": dict(request.env),
        "work_dir": str(request.working_dir),
        "user": str(made.user),
        "labels": _labels(request, made),
        "stdin": True,  # closed with the host that attached to it, as the agent's first channel is
        "stop_signal": SIGTERM,
        "systemd": "false",
        "log_configuration": {"driver": "none"},
        "restart_policy": "no",
        "healthconfig": {"Test": ["NONE"]},
        "r_limits": [{"type": name, "soft": most, "hard": most} for name, most in limits.items()],
        "image_volume_mode": "ignore",  # they are folders of the root then, as writable as it is
        "mounts": _tmpfs(request.policy),
        "volumes": _volumes(made),
        **_isolation(request.policy),
        **_limits(request.policy),
    }


def _labels(request: CreateRequest, made: Made) -> dict[str, str]:
    return {
        **request.labels,
        LABEL_ROLE: ROLE_CONTAINER,
        LABEL_WORKSPACE: made.workspace,
        LABEL_MORE_VOLUMES: str(len(made.guests)),
        LABEL_AGENT: request.agent.digest,
        LABEL_OWNER: "",
    }


def _limits(policy: Policy) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if policy.memory_bytes is not None:
        limits["memory"] = {"limit": policy.memory_bytes, "swap": policy.memory_bytes}  # equal: no swap
    if policy.cpus is not None:
        limits["cpu"] = {"quota": round(policy.cpus * CPU_PERIOD_US), "period": CPU_PERIOD_US}
    if policy.pids is not None:
        limits["pids"] = {"limit": policy.pids}
    return {"resource_limits": limits} if limits else {}


def _isolation(policy: Policy) -> dict[str, Any]:
    isolation: dict[str, Any] = {
        "read_only_filesystem": policy.read_only_root,
        "read_write_tmpfs": False,
        "cap_drop": ["ALL"],
        "cap_add": list(policy.capabilities),
        "no_new_privileges": policy.no_new_privileges,
        "privileged": False,
        "ipcns": {"nsmode": "private"},
    }
    if not policy.seccomp:
        isolation["seccomp_profile_path"] = "unconfined"
    if policy.network is Network.NONE:
        isolation["netns"] = {"nsmode": "none"}
    return isolation


def _tmpfs(policy: Policy) -> list[dict[str, Any]]:
    folders = {
        "/tmp": ("exec", "mode=1777", f"size={policy.tmpfs_bytes}"),  # noqa: S108 - the container's own
        # U gives it to the container's user; Podman knows no uid= here.
        str(SOCKET_FOLDER): ("noexec", "mode=0700", "U", f"size={SOCKET_TMPFS_BYTES}"),
    }
    return [
        {"type": "tmpfs", "source": "tmpfs", "destination": path, "options": [*COMMON, *options]}
        for path, options in folders.items()
    ]


def _volumes(made: Made) -> list[dict[str, Any]]:
    guests = [
        (image_volume_name(made.workspace, index), str(guest_folder(guest.uid)), "noexec")
        for index, guest in enumerate(made.guests)
    ]
    ours = [(made.agent_volume, str(AGENT_FOLDER), "ro"), (made.workspace, str(WORKSPACE), "rw"), *guests]
    return [{"Name": name, "Dest": path, "Options": ["nocopy", option]} for name, path, option in ours]
