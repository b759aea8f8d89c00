"""Names and labels of everything that this plugin makes on an engine."""

from __future__ import annotations

import secrets
from typing import Final

LABEL_ROLE: Final = "dev.devbench.role"
LABEL_WORKSPACE: Final = "dev.devbench.workspace"
LABEL_MORE_VOLUMES: Final = "dev.devbench.volumes"
LABEL_AGENT: Final = "dev.devbench.agent"
LABEL_OWNER: Final = "dev.devbench.owner"
LABEL_FILLER: Final = "dev.devbench.filler"

ROLE_CONTAINER: Final = "container"
ROLE_WORKSPACE: Final = "workspace"
ROLE_AGENT: Final = "agent"
ROLE_HELPER: Final = "helper"

PREFIX: Final = "devbench-"
DIGEST_LETTERS: Final = 12


def container_name(container_id: str) -> str:
    """Return the engine's name for a container; the engine keeps it unique."""
    return f"{PREFIX}{container_id}"


def new_workspace_name() -> str:
    """Return a name for a volume that will be some container's workspace."""
    return f"{PREFIX}workspace-{secrets.token_hex(8)}"


def new_helper_name() -> str:
    """Return a name for a container that only helps with volumes."""
    return f"{PREFIX}helper-{secrets.token_hex(8)}"


def agent_volume_name(digest: str) -> str:
    """Return the name of the volume that carries an agent."""
    return f"{PREFIX}agent-{digest[:DIGEST_LETTERS]}"


def fill_name(digest: str) -> str:
    """Return the name of the container that fills that volume: whoever holds it is the only one to write."""
    return f"{PREFIX}agent-fill-{digest[:DIGEST_LETTERS]}"


def make_ref(name: str, workspace: str, more_volumes: int = 0) -> str:
    """Return a ref: it names the volumes too, so that `remove` finds them when the container is gone."""
    more = f"+{more_volumes}" if more_volumes else ""
    return f"{name}/{workspace}{more}"


def split_ref(ref: str) -> tuple[str, str]:
    """Return the container's name and its workspace's, "" when the ref has none."""
    name, _, rest = ref.partition("/")
    return name, rest.partition("+")[0]


def volumes_of(ref: str) -> list[str]:
    """Return the names of all volumes that were made for a container."""
    workspace = split_ref(ref)[1]
    more = ref.partition("+")[2]
    count = int(more) if more.isascii() and more.isdigit() else 0
    return [workspace, *(image_volume_name(workspace, index) for index in range(count))] if workspace else []


def image_volume_name(workspace: str, index: int) -> str:
    """Return the name of the volume for one of the folders that an image declares as volumes."""
    return f"{workspace}-{index}"
