"""Making one container with all that belongs to it, or nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from typing import Any

from devbench_core.contracts.runtime import LABEL_INSTALLATION, CreateRequest
from devbench_core.engines.agents import Agents
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.names import (
    LABEL_OWNER,
    LABEL_ROLE,
    ROLE_WORKSPACE,
    container_name,
    make_ref,
    new_workspace_name,
    volumes_of,
)
from devbench_core.engines.removals import Removals
from devbench_core.engines.removing import Remover
from devbench_core.engines.users import guests_of, user_of
from devbench_core.engines.warnings import refuse_dropped_limits
from devbench_core.errors import AgentUnavailable, DevbenchError, EngineFailed, NotEnforced, ValidationFailed
from devbench_core.model.capabilities import Capabilities
from devbench_runtime_podman.calls import PodmanCalls
from devbench_runtime_podman.engine import Engine
from devbench_runtime_podman.failures import translate
from devbench_runtime_podman.spec import GUEST_TMPFS, Made, container_spec

ATTEMPTS = 3


class Creator:
    """Makes containers on one service.

    Args:
        engine: The service.
        agents: Puts the agent there.
        remover: Takes back what was made.
        removals: Removes what an answer that never came leaves open.
        tasks: Own what a cancelled caller leaves to be done.
        capabilities: What the service enforces.
        limits: Resource limits of processes.
        owner: This process, for the sweep of the next one.
        highest_id: The highest user id that containers can have, None for all.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        agents: Agents,
        remover: Remover,
        removals: Removals,
        tasks: asyncio.TaskGroup,
        capabilities: Capabilities,
        limits: Mapping[str, int],
        owner: str,
        highest_id: int | None,
    ) -> None:
        self._engine = engine
        self._calls = PodmanCalls(engine)
        self._agents = agents
        self._remover = remover
        self._removals = removals
        self._tasks = tasks
        self._architecture = capabilities.architectures[0]
        self._limits = limits
        self._owner = owner
        self._highest_id = highest_id
        self._under_way: set[asyncio.Task[None]] = set()

    async def create(self, request: CreateRequest) -> str:
        """Make a container and return its ref; as the contract says."""
        self._check(request)
        for _ in range(ATTEMPTS):
            volume = await self._agents.ensure(request.agent, request.image.id)
            ref = await self._make(request, volume)
            if not await self._agents.vanished(volume):
                return ref
            # Another host swept the agent between our look and the mount, which made an empty volume of that name.
            await self._remover.remove(ref)
        raise EngineFailed(
            f"the agent's volume vanishes from the engine as soon as it is filled ({ATTEMPTS} times)"
        )

    async def close(self) -> None:
        """Finish what cancelled callers left, within the sweep's bound."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._engine.settings.sweep_timeout_s):
                while self._under_way:
                    await asyncio.wait(self._under_way)
        for task in self._under_way:
            task.cancel()

    def _check(self, request: CreateRequest) -> None:
        if request.image.architecture != self._architecture:
            raise AgentUnavailable(
                f"image {request.image.name!r} is built for {request.image.architecture}, "
                f"and this engine runs {self._architecture}",
                hint="name an image for that architecture",
            )
        for user in (user_of(request.policy), *guests_of(request.policy)):
            if self._highest_id is not None and max(user.uid, user.gid) > self._highest_id:
                raise ValidationFailed(
                    "policy.user",
                    f"{user} is beyond the ids that this rootless Podman has (/etc/subuid)",
                    limit=self._highest_id,
                )

    async def _make(self, request: CreateRequest, agent_volume: str) -> str:
        guests = guests_of(request.policy)
        made = Made(
            name=container_name(request.container_id),
            agent_volume=agent_volume,
            workspace=new_workspace_name(),
            user=user_of(request.policy),
            guests=guests,
        )
        ref = make_ref(made.name, made.workspace, len(guests))
        making = asyncio.ensure_future(self._make_all(request, made, ref))
        try:
            answer = await asyncio.shield(making)
        except asyncio.CancelledError:
            self._later(self._take_back(making, ref))  # the service makes it all the same
            raise
        except BaseException as error:
            # the service keeps them for as long as the container is there that it may have made after all
            self._removals.take_back(*volumes_of(ref), may_come=not isinstance(error, EngineAnswer))
            if isinstance(error, EngineAnswer):
                raise translate(error, "create", ref=made.name, image=request.image.name) from error
            raise
        try:
            refuse_dropped_limits(answer.get("Warnings") or ())
        except NotEnforced:
            await asyncio.shield(self._remover.remove(ref))
            raise
        return ref

    async def _make_all(self, request: CreateRequest, made: Made, ref: str) -> dict[str, Any]:
        labels = {
            LABEL_ROLE: ROLE_WORKSPACE,
            LABEL_INSTALLATION: request.installation,
            LABEL_OWNER: self._owner,
        }
        workspace, *folders = volumes_of(ref)
        await self._calls.make_volume(workspace, labels, owner=made.user)
        for folder, guest in zip(folders, made.guests, strict=True):
            await self._calls.make_volume(folder, labels, owner=guest, options=GUEST_TMPFS)
        return await self._engine.call(
            "POST", "containers/create", doing="create a container", setting="start_timeout_s",
            body=container_spec(request, made, self._limits),
        )  # fmt: skip

    async def _take_back(self, making: asyncio.Future[dict[str, Any]], ref: str) -> None:
        """Remove what nobody waits for; a container of that name that was there before is another's."""
        try:
            await making
        except EngineAnswer:
            self._removals.take_back(*volumes_of(ref))
        except DevbenchError:
            self._removals.take_back(*volumes_of(ref), may_come=True)
        else:
            with contextlib.suppress(EngineAnswer, DevbenchError):
                await self._remover.remove(ref)

    def _later(self, work: Coroutine[object, object, None]) -> None:
        task = self._tasks.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
