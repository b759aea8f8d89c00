"""What is asked of the engine for one container: the policy, clause by clause, in Docker's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from devbench_core.contracts.runtime import (
    AGENT_FOLDER,
    GUESTS_FOLDER,
    SOCKET_FOLDER,
    CreateRequest,
    guest_folder,
)
from devbench_core.engines.names import (
    LABEL_AGENT,
    LABEL_MORE_VOLUMES,
    LABEL_OWNER,
    LABEL_ROLE,
    LABEL_WORKSPACE,
    ROLE_CONTAINER,
    image_volume_name,
)
from devbench_core.engines.users import User, guests_of
from devbench_core.model.container import WORKSPACE
from devbench_core.model.policy import Network, Policy
from devbench_runtime_docker.helper import volume_mount

NANO = 1_000_000_000
SOCKET_TMPFS_BYTES = 64 * 1024
COMMON = "rw,nosuid,nodev"
OURS = frozenset({str(WORKSPACE), str(AGENT_FOLDER), str(SOCKET_FOLDER), "/tmp"})  # noqa: S108 - in the container


def container_body(
    request: CreateRequest,
    user: User,
    *,
    agent_volume: str,
    workspace: str,
    image_volumes: Sequence[str],
    volume_labels: Mapping[str, str],
) -> dict[str, Any]:
    """Return the body of the create call.

    Args:
        request: What is wanted.
        user: Who runs in it.
        agent_volume: The volume with the agent.
        workspace: The volume that is the workspace.
        image_volumes: Paths that the image declares as volumes and that `kept_read_only` chose.
        volume_labels: For the volumes that are made with the container.
    """
    first, *rest = request.agent.argv(stdio=True)
    return {
        "Image": request.image.id,
        "Entrypoint": [first],
        "Cmd": rest,
        "Env": [f"{name}={value}" for name, value in request.env.items()],
        "WorkingDir": str(request.working_dir),
        "User": str(user),
        "Labels": {
            **request.labels,
            LABEL_ROLE: ROLE_CONTAINER,
            LABEL_WORKSPACE: workspace,
            LABEL_MORE_VOLUMES: str(len(image_volumes)),
            LABEL_AGENT: request.agent.digest,
            LABEL_OWNER: "",
        },
        "Tty": False,
        "OpenStdin": True,
        "StdinOnce": True,  # the agent's first channel ends with the host that attached to it
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            **_limits(request.policy),
            **_isolation(request.policy),
            "LogConfig": {"Type": "none"},
            "RestartPolicy": {"Name": "no"},
            "Init": False,
            "AutoRemove": False,
            "Privileged": False,
            "Tmpfs": _tmpfs(request.policy, user),
            "Mounts": [
                volume_mount(agent_volume, str(AGENT_FOLDER), read_only=True),
                volume_mount(workspace, str(WORKSPACE)),
                *_read_only(workspace, image_volumes, volume_labels),
            ],
        },
    }


def kept_read_only(policy: Policy, declared: Iterable[str]) -> tuple[str, ...]:
    """Return the image's own volumes that would be holes in a read-only root; Docker makes the others itself."""
    if not policy.read_only_root:
        return ()
    return tuple(sorted(path for path in declared if not _is_ours(path.rstrip("/"))))


def _is_ours(path: str) -> bool:
    return path in OURS or PurePosixPath(path).is_relative_to(GUESTS_FOLDER)


def _limits(policy: Policy) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if policy.memory_bytes is not None:
        limits |= {"Memory": policy.memory_bytes, "MemorySwap": policy.memory_bytes}  # equal: no swap
    if policy.cpus is not None:
        limits["NanoCpus"] = round(policy.cpus * NANO)
    if policy.pids is not None:
        limits["PidsLimit"] = policy.pids
    return limits


def _isolation(policy: Policy) -> dict[str, Any]:
    options: list[str] = []
    if policy.no_new_privileges:
        options.append("no-new-privileges")
    if not policy.seccomp:
        options.append("seccomp=unconfined")
    isolation: dict[str, Any] = {
        "ReadonlyRootfs": policy.read_only_root,
        "CapDrop": ["ALL"],
        "CapAdd": list(policy.capabilities),
        "SecurityOpt": options,
        "IpcMode": "private",
    }
    if policy.network is Network.NONE:
        isolation["NetworkMode"] = "none"
    return isolation


def _tmpfs(policy: Policy, user: User) -> dict[str, str]:
    return {
        "/tmp": f"{COMMON},exec,mode=1777,size={policy.tmpfs_bytes}",  # noqa: S108 - the container's own
        str(SOCKET_FOLDER): _private(user),
        **{str(guest_folder(guest.uid)): _private(guest) for guest in guests_of(policy)},
    }


def _private(user: User) -> str:
    owner = f"uid={user.uid},gid={user.gid}"
    return f"{COMMON},noexec,mode=0700,{owner},size={SOCKET_TMPFS_BYTES}"


def _read_only(
    workspace: str, image_volumes: Sequence[str], labels: Mapping[str, str]
) -> list[dict[str, Any]]:
    return [
        {
            "Type": "volume",
            "Source": image_volume_name(workspace, index),
            "Target": path,
            "ReadOnly": True,
            "VolumeOptions": {"Labels": dict(labels)},
        }
        for index, path in enumerate(image_volumes)
    ]
