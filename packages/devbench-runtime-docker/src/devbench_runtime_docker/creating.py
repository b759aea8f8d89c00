"""Making one container with all that belongs to it, or nothing."""

from __future__ import annotations

import asyncio

from devbench_core.contracts.runtime import CreateRequest
from devbench_core.engines.agents import Agents
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.failures import translate
from devbench_core.engines.images import EngineImages
from devbench_core.engines.names import container_name, make_ref, volumes_of
from devbench_core.engines.removing import Remover
from devbench_core.engines.users import User, guests_of, user_of
from devbench_core.engines.warnings import refuse_dropped_limits
from devbench_core.errors import AgentUnavailable, EngineFailed, NotEnforced
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.spec import container_body, kept_read_only
from devbench_runtime_docker.workspaces import Workspaces

ATTEMPTS = 3


class Creator:
    """Makes containers on one engine."""

    def __init__(
        self,
        engine: Engine,
        *,
        images: EngineImages,
        agents: Agents,
        workspaces: Workspaces,
        remover: Remover,
        architecture: str,
    ) -> None:
        self._engine = engine
        self._images = images
        self._agents = agents
        self._workspaces = workspaces
        self._remover = remover
        self._architecture = architecture

    async def create(self, request: CreateRequest) -> str:
        """Make a container and return its ref; as the contract says."""
        self._check_architecture(request)
        user = user_of(request.policy)
        guests_of(request.policy)
        for _ in range(ATTEMPTS):
            ref, volume = await self._make(request, user)
            if not await self._agents.vanished(volume):
                return ref
            # Another host swept the agent between our look and the mount, which made an empty volume of that name.
            await self._remover.remove(ref)
        raise EngineFailed(
            f"the agent's volume vanishes from the engine as soon as it is filled ({ATTEMPTS} times)"
        )

    async def _make(self, request: CreateRequest, user: User) -> tuple[str, str]:
        declared = await self._images.declared_volumes(request.image.id)
        image_volumes = kept_read_only(request.policy, declared)
        agent_volume = await self._agents.ensure(request.agent, request.image.id)
        workspace = await self._workspaces.take(user, request.image.id)
        name = container_name(request.container_id)
        ref = make_ref(name, workspace, len(image_volumes))
        try:
            body = container_body(
                request, user, agent_volume=agent_volume, workspace=workspace, image_volumes=image_volumes,
                volume_labels=self._workspaces.labels,
            )  # fmt: skip
            made = await self._engine.call(
                "POST", "containers/create", doing="create a container", setting="start_timeout_s",
                params={"name": name}, body=body,
            )  # fmt: skip
        except BaseException as error:
            # the engine keeps them for as long as the container is there that it may have made after all
            self._workspaces.discard(*volumes_of(ref), may_come=not isinstance(error, EngineAnswer))
            if isinstance(error, EngineAnswer):
                raise translate(error, "create", ref=name, image=request.image.name) from error
            raise
        try:
            refuse_dropped_limits(made.get("Warnings") or ())
        except NotEnforced:
            await asyncio.shield(self._remover.remove(ref))
            raise
        return ref, agent_volume

    def _check_architecture(self, request: CreateRequest) -> None:
        if request.image.architecture != self._architecture:
            raise AgentUnavailable(
                f"image {request.image.name!r} is built for {request.image.architecture}, "
                f"and this engine runs {self._architecture}",
                hint="name an image for that architecture",
            )
