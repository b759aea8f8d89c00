"""Removes what a former life left on the engine: helpers, workspaces that no container has, agents that nothing uses.

The engine itself refuses to remove a volume that a container has, so a sweep can only be too timid.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta

from devbench_core.clock import Clock
from devbench_core.contracts.runtime import LABEL_INSTALLATION
from devbench_core.engines.answers import EngineAnswer
from devbench_core.engines.calls import EngineCalls, Found
from devbench_core.engines.names import (
    LABEL_FILLER,
    LABEL_OWNER,
    LABEL_ROLE,
    ROLE_AGENT,
    ROLE_HELPER,
    ROLE_WORKSPACE,
)
from devbench_core.engines.owner import lives
from devbench_core.errors import DevbenchError
from devbench_core.logs import get_logger

log = get_logger(__name__)

STALE = timedelta(hours=1)  # longer than any process keeps a workspace on its shelf (prepared_max_age_s)
REMOVED_MAX = 500


class Sweep:
    """Sweeps one engine."""

    def __init__(self, engine: EngineCalls, clock: Clock, installation: str) -> None:
        self._engine = engine
        self._clock = clock
        self._installation = installation

    async def leftovers(self) -> None:
        """Remove helpers and unused workspaces of this installation's dead processes, within the sweep's bound."""
        with contextlib.suppress(TimeoutError, EngineAnswer, DevbenchError):
            async with asyncio.timeout(self._engine.settings.sweep_timeout_s):
                ours = {LABEL_ROLE: ROLE_HELPER, LABEL_INSTALLATION: self._installation}
                await self._helpers(await self._engine.containers(ours))
                await self._workspaces()

    async def agents(self, in_use: frozenset[str]) -> None:
        """Remove agents that no container and no process of this version uses, within the sweep's bound."""
        with contextlib.suppress(TimeoutError, EngineAnswer, DevbenchError):
            async with asyncio.timeout(self._engine.settings.sweep_timeout_s):
                helpers = await self._engine.containers({LABEL_ROLE: ROLE_HELPER})
                await self._helpers(
                    [each for each in helpers if LABEL_FILLER in each.labels]
                )  # they hold agents
                for volume in (await self._engine.volumes({LABEL_ROLE: ROLE_AGENT}))[:REMOVED_MAX]:
                    if volume.name not in in_use and self._is_old(volume.created):
                        await self._remove(volume.name)

    async def _helpers(self, found: list[Found]) -> None:
        for each in found[:REMOVED_MAX]:
            if await self._is_abandoned(each.labels, each.created):
                await self._engine.remove_helper(each.name)

    async def _workspaces(self) -> None:
        labels = {LABEL_ROLE: ROLE_WORKSPACE, LABEL_INSTALLATION: self._installation}
        for volume in (await self._engine.volumes(labels))[:REMOVED_MAX]:
            if await self._is_abandoned(volume.labels, volume.created):
                await self._remove(volume.name)

    async def _is_abandoned(self, labels: dict[str, str], created: datetime | None) -> bool:
        alive = await asyncio.to_thread(lives, labels.get(LABEL_OWNER, ""))
        # what a living owner has may look old, too: after a suspend, or when somebody set the clock
        return self._is_old(created) if alive is None else not alive

    def _is_old(self, created: datetime | None) -> bool:
        return created is not None and self._clock.now() - created > STALE

    async def _remove(self, volume: str) -> None:
        with contextlib.suppress(EngineAnswer):  # a container took it meanwhile
            await self._engine.remove_volume(volume)
            log.info("engine.volume_swept", volume=volume)
