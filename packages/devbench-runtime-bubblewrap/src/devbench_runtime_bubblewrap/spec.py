"""What was wanted of a container, as it is kept on disk."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, cast

import attrs

from devbench_core.contracts.runtime import LABEL_CONTAINER, LABEL_INSTALLATION
from devbench_core.errors import ContainerNotFound, EngineFailed
from devbench_core.model.policy import Network, Policy
from devbench_core.values import frozen
from devbench_runtime_bubblewrap.folders import ContainerFolder


@frozen
class StoredSpec:
    """One container's spec.

    Attributes:
        container_id: devbench's id, which is the ref too.
        installation: Who owns it.
        image_id: What it was made from.
        agent: The agent's digest.
        argv: The command line of PID 1.
        env: The container's environment.
        working_dir: Where PID 1 starts.
        policy: What to enforce.
        labels: As asked.
        created_at: UTC.
    """

    container_id: str
    installation: str
    image_id: str
    agent: str
    argv: tuple[str, ...]
    env: dict[str, str]
    working_dir: PurePosixPath
    policy: Policy
    labels: dict[str, str]
    created_at: datetime

    def all_labels(self) -> dict[str, str]:
        """Return the labels with both of devbench's own."""
        own = {LABEL_CONTAINER: self.container_id, LABEL_INSTALLATION: self.installation}
        return self.labels | own


def dump(spec: StoredSpec) -> bytes:
    """Return the JSON of a spec."""
    return json.dumps(attrs.asdict(spec, value_serializer=_plain)).encode()


def load(folder: ContainerFolder) -> StoredSpec:
    """Read a container's spec; blocking.

    Raises:
        ContainerNotFound: There is no such container.
        EngineFailed: The file is damaged, or of a newer version.
    """
    return _restored(folder, _read(folder))


def load_of(folder: ContainerFolder, installation: str) -> StoredSpec | None:
    """Read the spec of a container of an installation; None when it is another's, which may be of a newer version.

    Raises:
        ContainerNotFound: There is no such container.
        EngineFailed: The file is damaged, or it is ours and of a newer version.
    """
    data = _read(folder)
    return _restored(folder, data) if data.get("installation") == installation else None


def _read(folder: ContainerFolder) -> dict[str, Any]:
    try:
        data: object = json.loads(folder.spec.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ContainerNotFound(f"bubblewrap has no container {folder.path.name!r}") from error
    except ValueError as error:
        raise _damaged(folder, error) from error
    if not isinstance(data, dict):
        raise _damaged(folder, "no object")
    return cast("dict[str, Any]", data)


def _damaged(folder: ContainerFolder, why: object) -> EngineFailed:
    return EngineFailed(
        f"the record of container {folder.path.name!r} is damaged, or of a newer version: {why}",
        hint=f"update devbench, or remove the container's folder; its record is {folder.spec}",
    )


def _plain(_owner: Any, _field: Any, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, PurePosixPath) else value


def _restored(folder: ContainerFolder, data: dict[str, Any]) -> StoredSpec:
    try:
        policy = data["policy"]
        tuples = {name: tuple(policy.get(name, ())) for name in ("capabilities", "exec_users", "file_roots")}
        fields: dict[str, Any] = data | {
            "argv": tuple(data["argv"]),
            "working_dir": PurePosixPath(data["working_dir"]),
            "policy": Policy(**(policy | tuples | {"network": Network(policy["network"])})),
            "created_at": datetime.fromisoformat(data["created_at"]),
        }
        return StoredSpec(**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, error) from error


def names(containers: Path) -> list[str]:
    """Return the refs of all containers on disk, sorted; blocking."""
    return sorted(entry.name for entry in containers.iterdir() if not entry.name.startswith("."))
