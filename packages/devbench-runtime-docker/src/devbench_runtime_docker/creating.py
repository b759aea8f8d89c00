"""Making one container with all that belongs to it, or nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from devbench_core.contracts.runtime import CreateRequest
from devbench_core.errors import AgentUnavailable, EngineFailed, NotEnforced
from devbench_core.logs import get_logger
from devbench_core.model.policy import Clause
from devbench_runtime_docker.agents import Agents
from devbench_runtime_docker.engine import Engine
from devbench_runtime_docker.failures import EngineAnswer, translate
from devbench_runtime_docker.images import EngineImages
from devbench_runtime_docker.names import container_name, make_ref, volumes_of
from devbench_runtime_docker.removing import Remover
from devbench_runtime_docker.spec import container_body, kept_read_only
from devbench_runtime_docker.users import User, guests_of, user_of
from devbench_runtime_docker.workspaces import Workspaces

log = get_logger(__name__)

ATTEMPTS = 3
_WARNED = {"memory": Clause.MEMORY, "pids": Clause.PIDS, "cpu": Clause.CPU, "cfs": Clause.CPU}
_HARMLESS = ("swap", "oom", "ipv4", "kernel memory")


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
            self._workspaces.discard(
                *volumes_of(ref)
            )  # the engine keeps it should the container exist after all
            if isinstance(error, EngineAnswer):
                raise translate(error, "create", ref=name, image=request.image.name) from error
            raise
        try:
            self._check_warnings(made)
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

    @staticmethod
    def _check_warnings(made: dict[str, Any]) -> None:
        """Docker drops a limit that its kernel lacks and only warns; that is not what was asked for."""
        warnings = [str(each) for each in made.get("Warnings") or ()]
        found: dict[Clause, str] = {}
        for warning in warnings:
            if any(word in warning.lower() for word in _HARMLESS):
                log.warning("docker.create_warning", warning=warning)
                continue
            found |= {clause: warning for word, clause in _WARNED.items() if word in warning.lower()}
        if found:
            raise NotEnforced(
                f"Docker does not enforce {', '.join(sorted(found))}: {'; '.join(found.values())}",
                hint="enable these controllers in the kernel, or tolerate the clauses in policy",
                details={"clauses": sorted(found)},
            )
