"""What a runtime is asked to make."""

from __future__ import annotations

from pathlib import PurePosixPath

import devbench_agent
from devbench_core.contracts.runtime import (
    LABEL_CONTAINER,
    LABEL_INSTALLATION,
    AgentProgram,
    CreateRequest,
)
from devbench_core.errors import AgentUnavailable
from devbench_core.model.container import WORKSPACE, Container
from devbench_core.model.image import Image

BASE_ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": str(WORKSPACE),
    "LANG": "C.UTF-8",
}


def agent_for(architecture: str, file_roots: tuple[str, ...] = ()) -> AgentProgram:
    """Return the agent for an image's architecture.

    Raises:
        AgentUnavailable: There is no agent for it in this installation.
    """
    try:
        return AgentProgram(
            path=devbench_agent.binary(architecture),
            digest=devbench_agent.digest(architecture),
            file_roots=file_roots,
        )
    except devbench_agent.AgentBinaryMissing as error:
        raise AgentUnavailable(
            f"there is no agent for the architecture {architecture!r}",
            hint="install the release wheel of devbench-agent, or choose an image for this machine",
        ) from error


def create_request(container: Container, image: Image, installation: str) -> CreateRequest:
    """Return the request for a container that was accepted.

    It holds nothing of the caller's but the policy: the caller's environment goes with each command, his labels and
    alias stay in the store. So a container that was made before anybody asked for it is like one made for the asking.
    """
    return CreateRequest(
        container_id=container.id,
        installation=installation,
        image=image,
        agent=agent_for(image.architecture, container.spec.policy.file_roots),
        env={**BASE_ENV, **image.env},
        working_dir=PurePosixPath(image.working_dir or str(WORKSPACE)),
        policy=container.spec.policy,
        labels={LABEL_INSTALLATION: installation, LABEL_CONTAINER: container.id},
    )
